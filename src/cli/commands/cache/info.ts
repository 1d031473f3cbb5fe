import { type Dirent, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { systemCode } from '#base/errors.ts'
import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { goDuration } from '#cli/print/duration.ts'
import type { CachingOptions } from '#repo/repository/caching-options.ts'

/** Listed also when they are not there: a repository on a local disk needs no cache, and another one fills it when it is read. */
const usualFolders = ['blob-list', 'contents', 'index-blobs', 'indexes', 'metadata', 'own-writes']

export const info = defineCommand({
  flags: [{ name: 'path', type: 'bool' }],
  async run(c, values) {
    const caching = await cachingOf(c)
    if (values.path) return c.io.out(caching.cacheDirectory)
    const folders = list(caching.cacheDirectory).filter((e) => e.isDirectory())
    for (const name of [...new Set([...folders.map((e) => e.name), ...usualFolders])].sort()) {
      const path = join(caching.cacheDirectory, name)
      const { count, bytes } = usage(path)
      c.io.out(`${path}: ${count} files ${c.sizes.bytes(bytes)}${limitsText(c, name, caching)}`)
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

/** What is in a folder: nothing where there is none, as another program may be clearing the cache. */
function list(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
    return []
  }
}

function usage(folder: string): { count: number; bytes: number } {
  let count = 0
  let bytes = 0
  for (const entry of list(folder)) {
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
