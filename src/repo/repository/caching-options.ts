import type { JsonValue } from '#base/go-json.ts'
import { type JsonObject, numberOf, stringOf } from '#base/json-read.ts'

/** Limits of the caches of one connection (spec 01, 1.21.2). 0 = not set. */
export interface CachingOptions {
  /** Absolute in memory; '' = no cache. */
  readonly cacheDirectory: string
  readonly maxCacheSizeBytes: number
  readonly contentCacheSizeLimitBytes: number
  readonly maxMetadataCacheSizeBytes: number
  readonly metadataCacheSizeLimitBytes: number
  readonly maxListCacheDurationSeconds: number
  readonly minMetadataSweepAgeSeconds: number
  readonly minContentSweepAgeSeconds: number
  readonly minIndexSweepAgeSeconds: number
  /** Members that we do not know. */
  readonly others: JsonObject
}

type Limit = Exclude<keyof CachingOptions, 'cacheDirectory' | 'others'>

/** Key in the file of each limit, in Kopia's order. */
const keys: readonly (readonly [Limit, string])[] = [
  ['maxCacheSizeBytes', 'maxCacheSize'],
  ['contentCacheSizeLimitBytes', 'contentCacheSizeLimitBytes'],
  ['maxMetadataCacheSizeBytes', 'maxMetadataCacheSize'],
  ['metadataCacheSizeLimitBytes', 'metadataCacheSizeLimitBytes'],
  ['maxListCacheDurationSeconds', 'maxListCacheDuration'],
  ['minMetadataSweepAgeSeconds', 'minMetadataSweepAge'],
  ['minContentSweepAgeSeconds', 'minContentSweepAge'],
  ['minIndexSweepAgeSeconds', 'minIndexSweepAge'],
]
const ownKeys = new Set(['cachedirectory', ...keys.map(([, key]) => key.toLowerCase())])

export const noCaching: CachingOptions = {
  cacheDirectory: '',
  maxCacheSizeBytes: 0,
  contentCacheSizeLimitBytes: 0,
  maxMetadataCacheSizeBytes: 0,
  metadataCacheSizeLimitBytes: 0,
  maxListCacheDurationSeconds: 0,
  minMetadataSweepAgeSeconds: 0,
  minContentSweepAgeSeconds: 0,
  minIndexSweepAgeSeconds: 0,
  others: {},
}

/** What connect stores when no flag says otherwise, but for the folder. */
export const defaultCaching: CachingOptions = {
  ...noCaching,
  maxCacheSizeBytes: 5000 * 2 ** 20,
  maxMetadataCacheSizeBytes: 5000 * 2 ** 20,
  maxListCacheDurationSeconds: 30,
}

/** Reads `caching` of a configuration file; the folder comes back as it is written there. Throws JsonShapeError. */
export function parseCaching(json: JsonObject): CachingOptions {
  const what = '"caching"'
  const limits = Object.fromEntries(keys.map(([name, key]) => [name, numberOf(json, key, what)])) as Record<Limit, number>
  return {
    cacheDirectory: stringOf(json, 'cacheDirectory', what),
    ...limits,
    others: Object.fromEntries(Object.entries(json).filter(([key]) => !ownKeys.has(key.toLowerCase()))),
  }
}

/** `caching` of a configuration file: what is 0 or '' is left out. */
export function formatCaching(caching: CachingOptions): Record<string, JsonValue | undefined> {
  return {
    cacheDirectory: caching.cacheDirectory || undefined,
    ...Object.fromEntries(keys.map(([name, key]) => [key, caching[name] || undefined])),
    ...(caching.others as Record<string, JsonValue>),
  }
}
