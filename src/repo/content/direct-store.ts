import { randomBytes } from 'node:crypto'
import { type Clock, systemClock } from '#base/clock.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import type { Cipher, Hasher } from '#repo/crypto/algorithms.ts'
import { localCacheKey } from '#repo/crypto/keys.ts'
import { embedFormatBlob } from '#repo/format/embedded-copy.ts'
import type { RepositoryFormat } from '#repo/format/repository-format.ts'
import type { CacheOptions } from './cache/cache-options.ts'
import { MissingPacks } from './cache/missing-packs.ts'
import { openCaches } from './cache/open-caches.ts'
import { CommittedIndex } from './committed-index.ts'
import { DirectContentStore } from './direct-content-store.ts'
import { createIndexBlobManager } from './index-blobs/create.ts'
import { PackPresence } from './pack-presence.ts'
import { PackWriter } from './pack-writer.ts'
import type { ContentCounters } from './store.ts'

/** Kopia's default where the format stores 0 (spec 02, 2.1). */
const defaultMaxPackBytes = 20 * 1024 * 1024
/** Nobody may set more (spec 01, 1.6); a pack grows in memory. */
const largestPackBytes = 120 * 1024 * 1024

export interface ContentStoreOptions {
  readonly storage: BlobStorage
  readonly format: RepositoryFormat
  /** The format as it is now, so that a long session follows changed parameters (version, pack size, index version). */
  readonly currentFormat?: () => RepositoryFormat
  readonly hasher: Hasher
  readonly cipher: Cipher
  /** Raw `kopia.repository`, embedded in packs of repositories created as version 1; left out of other packs. */
  readonly formatBlobBytes?: Uint8Array | undefined
  /** Format encryption key: what cache entries are protected with where password changes are not enabled (spec 01, 1.15). */
  readonly formatKey?: Uint8Array | undefined
  readonly clock?: Clock
  readonly random?: (sizeBytes: number) => Buffer
  readonly client: { readonly hostname: string; readonly username: string }
  readonly cache: CacheOptions
  /** Spec 02, section 9: skips index blobs that cannot be loaded. Read-only connections only. */
  readonly permissive?: boolean
  /** False keeps the indexes as they are until refresh() (maintenance, content verify). Default true. */
  readonly autoRefresh?: boolean
  /** Contents that may wait for an index blob, for tests. */
  readonly maxPendingRecords?: number
  readonly warn: (message: string) => void
}

/** Opens the contents of a repository and loads its indexes. Damaged index blobs are skipped with a warning; storage errors are thrown. */
export async function openContentStore(options: ContentStoreOptions): Promise<DirectContentStore> {
  const { format, hasher, cipher, clock = systemClock, random = randomBytes, client, warn } = options
  const current = options.currentFormat ?? (() => format)
  const protectionKey = localCacheKey(format, options.formatKey ?? format.secret)
  const missing = new MissingPacks(clock)
  const caches = await openCaches(options.storage, options.cache, protectionKey, clock, warn, missing)
  const { storage } = caches
  const stop = new AbortController()
  const committed = new CommittedIndex({
    manager: createIndexBlobManager({ storage, cipher, hasher, format, clock, random, signal: stop.signal }),
    cache: caches.indexes,
    cipher,
    hashBytes: hasher.sizeBytes,
    clock,
    permissive: options.permissive ?? false,
    autoRefresh: options.autoRefresh ?? true,
    warn,
    forgetListings: caches.forgetListings,
  })
  await committed.load()
  const counters = noCounts()
  const presence = new PackPresence(storage)
  const writer = new PackWriter({
    storage,
    hasher,
    cipher,
    clock,
    random,
    client,
    counters,
    get indexVersion() {
      return current().indexVersion
    },
    get maxPackBytes() {
      const { maxPackSizeBytes } = current()
      return maxPackSizeBytes > 0 ? Math.min(maxPackSizeBytes, largestPackBytes) : defaultMaxPackBytes
    },
    formatPrefix: format.enablePasswordChange || !options.formatBlobBytes ? undefined : embedFormatBlob(options.formatBlobBytes),
    onStored: (pack) => presence.add(pack),
  })
  return new DirectContentStore({
    storage,
    get format() {
      return current()
    },
    hasher,
    cipher,
    clock,
    committed,
    presence,
    writer,
    source: caches.source,
    missing,
    counters,
    maxPendingRecords: options.maxPendingRecords,
    stop,
  })
}

const noCounts = (): ContentCounters => ({
  hashedContents: 0,
  hashedBytes: 0,
  writtenContents: 0,
  writtenBytes: 0,
  uploadedBlobs: 0,
  uploadedBytes: 0,
  readContents: 0,
  readBytes: 0,
})
