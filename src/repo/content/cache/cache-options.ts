/** Where and how much to cache: the `caching` object of the client configuration with units in the names (spec 02, 6.4). */
export interface CacheOptions {
  /** Absolute; undefined = no disk cache. */
  readonly directory?: string | undefined
  /** `maxCacheSize`: soft limit of `contents`. */
  readonly contentBytes?: number | undefined
  /** `contentCacheSizeLimitBytes`: hard limit, 0 = none. */
  readonly contentLimitBytes?: number | undefined
  /** `maxMetadataCacheSize`; 0 = same as contents. */
  readonly metadataBytes?: number | undefined
  readonly metadataLimitBytes?: number | undefined
  /** `maxListCacheDuration`; 0 = listings are not cached. */
  readonly listSeconds?: number | undefined
  readonly minContentSweepAgeSeconds?: number | undefined
  readonly minMetadataSweepAgeSeconds?: number | undefined
  readonly minIndexSweepAgeSeconds?: number | undefined
  /** Cache data of repositories on a local disk too. Off by default: the repository itself is as near as the cache. */
  readonly cacheLocalStorage?: boolean | undefined
}

export interface CacheLimits {
  readonly softBytes: number
  /** 0 = none. */
  readonly hardBytes: number
  readonly minAgeMs: number
}

const defaultBytes = 5000 * 1024 * 1024

/** Limits of the three swept caches with Kopia's defaults filled in (spec 02, 6.4). */
export function cacheLimits(options: CacheOptions): { contents: CacheLimits; metadata: CacheLimits; indexBlobs: CacheLimits } {
  const contentBytes = options.contentBytes || defaultBytes
  const metadataBytes = options.metadataBytes || contentBytes
  const metadataAgeMs = (options.minMetadataSweepAgeSeconds || 24 * 3600) * 1000
  return {
    contents: {
      softBytes: contentBytes,
      hardBytes: options.contentLimitBytes ?? 0,
      minAgeMs: (options.minContentSweepAgeSeconds || 600) * 1000,
    },
    metadata: { softBytes: metadataBytes, hardBytes: options.metadataLimitBytes ?? 0, minAgeMs: metadataAgeMs },
    indexBlobs: { softBytes: metadataBytes, hardBytes: 0, minAgeMs: metadataAgeMs },
  }
}

/** Age from which index files that no active index blob needs are removed. */
export const minIndexAgeMs = (options: CacheOptions): number => (options.minIndexSweepAgeSeconds || 3600) * 1000
