import type { Clock } from '#base/clock.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import { blockSource } from './block-source.ts'
import { CacheDirectory } from './cache-directory.ts'
import { type CacheOptions, cacheLimits, minIndexAgeMs } from './cache-options.ts'
import { CachedSource, type ContentSource, directSource } from './content-source.ts'
import { DiskCache } from './disk-cache.ts'
import { DiskIndexCache, directIndexCache, type IndexCache } from './index-cache.ts'
import { ListingCache } from './listing-cache.ts'
import { isLocalDisk } from './local-storage.ts'
import type { MissingPacks } from './missing-packs.ts'
import { OwnWrites } from './own-writes.ts'

export interface Caches {
  /** The storage to use for index blobs: its listings are cached. */
  readonly storage: BlobStorage
  readonly source: ContentSource
  readonly indexes: IndexCache
  readonly forgetListings: () => Promise<void>
}

/** The caches of one connection. Without a directory, with one that cannot be used, and for repositories on a local disk everything
 *  comes straight from storage. `protectionKey` = localCacheKey; packs in
 *  `missing` are not asked for. Source: spec 02, 6.4. */
export async function openCaches(
  storage: BlobStorage,
  options: CacheOptions,
  protectionKey: Uint8Array,
  clock: Clock,
  warn: (message: string) => void,
  missing: MissingPacks,
): Promise<Caches> {
  const packs = missing.guard(storage)
  const direct: Caches = {
    storage,
    source: directSource(packs),
    indexes: directIndexCache(storage),
    forgetListings: async () => undefined,
  }
  if (!options.cacheLocalStorage && (await isLocalDisk(storage))) return { ...direct, source: blockSource(packs) }
  if (!options.directory) return direct
  const directory = new CacheDirectory(options.directory, warn)
  if (!(await directory.ready())) return direct
  const limits = cacheLimits(options)
  const protectedCache = (name: string, sweep?: (typeof limits)['contents']): DiskCache =>
    new DiskCache(directory, name, { sharded: sweep !== undefined, protection: protectionKey, clock, ...(sweep && { limits: sweep }) })
  const markers = new DiskCache(directory, 'own-writes', { sharded: false, protection: undefined, clock })
  const ownWrites = new OwnWrites(directory, markers, clock)
  const listed = new ListingCache(storage, protectedCache('blob-list'), ownWrites, (options.listSeconds ?? 0) * 1000, clock)
  return {
    storage: listed,
    source: new CachedSource(packs, protectedCache('contents', limits.contents), protectedCache('metadata', limits.metadata)),
    indexes: new DiskIndexCache(storage, directory, protectedCache('index-blobs', limits.indexBlobs), minIndexAgeMs(options), clock),
    forgetListings: () => listed.forgetListings(),
  }
}
