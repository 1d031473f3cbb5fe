import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { goDuration } from '#cli/print/duration.ts'
import type { CachingOptions } from '#repo/repository/caching-options.ts'

const mb = 1_000_000

type Limit = Exclude<keyof CachingOptions, 'cacheDirectory' | 'others'>

const sizeFlags = [
  ['content-cache-size-mb', 'maxCacheSizeBytes', 'content cache size'],
  ['content-cache-size-limit-mb', 'contentCacheSizeLimitBytes', 'content cache size limit'],
  ['metadata-cache-size-mb', 'maxMetadataCacheSizeBytes', 'metadata cache size'],
  ['metadata-cache-size-limit-mb', 'metadataCacheSizeLimitBytes', 'metadata cache size limit'],
] as const
const ageFlags = [
  ['content-min-sweep-age', 'minContentSweepAgeSeconds', 'minimum content sweep age'],
  ['metadata-min-sweep-age', 'minMetadataSweepAgeSeconds', 'minimum metadata sweep age'],
  ['index-min-sweep-age', 'minIndexSweepAgeSeconds', 'minimum index sweep age'],
  ['max-list-cache-duration', 'maxListCacheDurationSeconds', 'maximum list cache duration'],
] as const

export const set = defineCommand({
  flags: [
    { name: 'content-cache-size-mb', type: 'int64', placeholder: 'MB' },
    { name: 'content-cache-size-limit-mb', type: 'int64', placeholder: 'MB' },
    { name: 'content-min-sweep-age', type: 'duration' },
    { name: 'metadata-cache-size-mb', type: 'int64', placeholder: 'MB' },
    { name: 'metadata-cache-size-limit-mb', type: 'int64', placeholder: 'MB' },
    { name: 'metadata-min-sweep-age', type: 'duration' },
    { name: 'index-min-sweep-age', type: 'duration' },
    { name: 'max-list-cache-duration', type: 'duration' },
    { name: 'cache-directory', type: 'string' },
  ],
  async run(c, values) {
    const [{ readLocalConfig, writeLocalConfig }, { noCaching }] = await Promise.all([
      import('#repo/repository/local-config.ts'),
      import('#repo/repository/caching-options.ts'),
    ])
    const config = await readLocalConfig(c.configFile, {})
    const changes: Partial<Record<Limit, number>> = {}
    for (const [flag, key, what] of sizeFlags) {
      const value = values[flag]
      if (value === undefined || value === -1) continue
      changes[key] = value * mb
      c.log.info(`changing ${what} to ${c.sizes.bytes(value * mb)}`)
    }
    for (const [flag, key, what] of ageFlags) {
      const value = values[flag]
      if (value === undefined || value === -1n) continue
      changes[key] = Number(value / 1_000_000_000n)
      c.log.info(`changing ${what} to ${goDuration(value)}`)
    }
    const directory = values['cache-directory']
    if (directory !== undefined) c.log.info(`changing cache directory to ${directory}`)
    if (Object.keys(changes).length === 0 && directory === undefined) throw new CommandError('no changes')
    const caching = { ...(config.caching ?? noCaching), ...changes, ...(directory === undefined ? {} : { cacheDirectory: directory }) }
    await writeLocalConfig(c.configFile, { ...config, caching })
  },
})
