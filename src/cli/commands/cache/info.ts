import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { goDuration } from '#cli/print/duration.ts'
import type { CachingOptions } from '#repo/repository/caching-options.ts'

export const info = defineCommand({
  flags: [{ name: 'path', type: 'bool' }],
  async run(c, values) {
    const caching = await cachingOf(c)
    if (values.path) return c.io.out(caching.cacheDirectory)
    for (const entry of readdirSync(caching.cacheDirectory, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue
      const { count, bytes } = usage(join(caching.cacheDirectory, entry.name))
      const path = join(caching.cacheDirectory, entry.name)
      c.io.out(`${path}: ${count} files ${c.sizes.bytes(bytes)}${limitsText(c, entry.name, caching)}`)
    }
    c.log.info('To adjust cache sizes use "kura cache set".')
    c.log.info('To clear caches use "kura cache clear".')
  },
})

/** Cache settings of the connection. Throws CommandError when there is no cache, NotConnectedError. */
export async function cachingOf(c: CommandContext): Promise<CachingOptions> {
  const { readLocalConfig } = await import('#repo/repository/local-config.ts')
  const { caching } = await readLocalConfig(c.configFile, c.env)
  if (!caching || caching.cacheDirectory === '') throw new CommandError('caching is not enabled')
  return caching
}

function usage(folder: string): { count: number; bytes: number } {
  let count = 0
  let bytes = 0
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      const inner = usage(path)
      count += inner.count
      bytes += inner.bytes
    } else {
      count++
      bytes += statSync(path, { throwIfNoEntry: false })?.size ?? 0
    }
  }
  return { count, bytes }
}

const seconds = (value: number): string => goDuration(BigInt(Math.round(value)) * 1_000_000_000n)

function limitsText(c: CommandContext, name: string, o: CachingOptions): string {
  const limits = (soft: number, hard: number, age: number) =>
    ` (soft limit: ${c.sizes.bytes(soft)}, hard limit: ${hard > 0 ? c.sizes.bytes(hard) : 'none'}, min sweep age: ${seconds(age)})`
  switch (name) {
    case 'contents':
    case 'server-contents':
      return limits(o.maxCacheSizeBytes, o.contentCacheSizeLimitBytes, o.minContentSweepAgeSeconds || 600)
    case 'metadata':
      return limits(
        o.maxMetadataCacheSizeBytes || o.maxCacheSizeBytes,
        o.metadataCacheSizeLimitBytes,
        o.minMetadataSweepAgeSeconds || 86_400,
      )
    case 'blob-list':
      return ` (duration: ${seconds(o.maxListCacheDurationSeconds)})`
    default:
      return ''
  }
}
