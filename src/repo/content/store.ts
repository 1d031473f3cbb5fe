import type { BlobId } from '#repo/blob/storage.ts'
import type { ContentId } from './content-id.ts'
import type { ContentInfo, IdRange } from './content-info.ts'
import type { EpochManager } from './epoch/manager.ts'
import type { IndexSet } from './index/index-set.ts'
import type { IndexBlobManager } from './index-blobs/manager.ts'

export interface ContentToWrite {
  readonly prefix: string
  /** Plaintext. The store may keep a reference until the returned promise settles: do not change the bytes before. */
  readonly data: Uint8Array
  /** Wanted compression, 0 = none. Kept only if it makes the content smaller (spec 02, 2.2). */
  readonly compressionHeader: number
}

/** Gives memory of the asked length for plain bytes. */
export type PlainMemory = (sizeBytes: number) => Buffer

export interface ContentReader {
  /** Newest record of a content over pending writes and the loaded indexes, deleted ones included (down to the watermark).
   *  Synchronous: a binary search in the index bytes, no I/O. */
  info(id: ContentId): ContentInfo | undefined
  /** Whether the content can be counted on: known, not deleted, and its pack blob seen in storage (listed once per process
   *  and kept up to date with own writes). What deduplication and reuse of unchanged files ask. */
  isPresent(id: ContentId): Promise<boolean>
  /** The same for many at once, in the order given; absent where that would be no faster. */
  arePresent?(ids: readonly ContentId[]): Promise<boolean[]>
  /** arePresent by binary keys (contentKey) of one size, which lie one after another: 1 for each that is. Absent, or undefined, where that
   *  would be no faster. */
  arePresentByKey?(keys: Uint8Array, keyBytes: number): Promise<Uint8Array | undefined>
  /** Plaintext. It may lie in what `memory` returned, which must stay untouched until then; that may be asked for more than once, or never.
   *  ContentNotFoundError, CorruptContentError, or the storage's errors. */
  get(id: ContentId, memory?: PlainMemory): Promise<Buffer>
  /** Plaintexts of many small contents, packs read in pieces that hold several; absent where that would be no faster. Undefined for what
   *  `get` has to be asked for: it is larger than `maxBytes`, or anything is wrong with it. */
  getMany?(ids: readonly ContentId[], maxBytes: number): Promise<(Buffer | undefined)[]>
  /** Rows in key order, the winner of each ID. */
  iterate(range: IdRange, includeDeleted: boolean): Iterable<ContentInfo>
  /** Loads packs or ranges into the cache ahead of use (spec 02, 6.5); errors are not thrown. Returns the known IDs. */
  prefetch(ids: readonly ContentId[], hint?: string): Promise<ContentId[]>
  /** Changes whenever the committed set may have changed (manifests reload on it). */
  readonly revision: number
}

export interface ContentStore extends ContentReader {
  put(content: ContentToWrite): Promise<ContentId>
  /** Same as put for each, but hashed, sealed and appended as one batch: what small files use. */
  putMany(contents: readonly ContentToWrite[]): Promise<ContentId[]>
  /** putMany that takes the memory of the plaintexts over: it may be written into. `release` is called once it may be used again, also when
   *  putting fails. Absent where that would be no gain. */
  putOwned?(contents: readonly ContentToWrite[], release: () => void): Promise<ContentId[]>
  delete(id: ContentId): Promise<void>
  undelete(id: ContentId): Promise<void>
  rewrite(id: ContentId): Promise<void>
  /** Takes over records found in packs where they beat what is known; permanent after flush. Returns how many were new. Absent where the
   *  indexes are not ours to change (spec 02, 7.4). */
  adopt?(records: Iterable<ContentInfo>): number
  /** Packs, then indexes, durable; session marker gone (spec 02, 2.8). */
  flush(): Promise<void>
  /** While `work` runs no index blob is written, so that all its changes land in one (spec 02, 2.8 step 5). */
  withoutIndexFlush<T>(work: () => Promise<T>): Promise<T>
  /** Loads the active index set again if it has changed in storage. */
  refresh(): Promise<void>
  /** Index blobs that are skipped because they are damaged, with the reason. Whoever deletes unreferenced packs, merges indexes or counts
   *  on the list of contents being whole must refuse while there are any: they may name packs that nothing else names. */
  readonly damagedIndexes?: ReadonlyMap<BlobId, string>
  /** Loads a metadata pack into the cache, where there is one. */
  loadMetadataPack?(pack: BlobId): Promise<void>
  /** What maintenance works with. Absent where the indexes are not ours to change. */
  readonly upkeep?: ContentUpkeep
  /** Bytes and counts since open, for statistics and progress. */
  readonly counters: ContentCounters
  close(): Promise<void>
}

/** The indexes of a store, for maintenance. */
export interface ContentUpkeep {
  /** The committed contents as they are now; pending writes are not among them. It does not change, the next read gives another one. */
  readonly committed: IndexSet
  /** Epochs of the index blobs, as they were last seen; undefined in repositories without. */
  readonly epochs: EpochManager | undefined
  /** Packs that pending records name: in use, though no index blob says so yet. */
  pendingPacks(): ReadonlySet<BlobId>
  /** While `work` runs the indexes are not loaded again by themselves. */
  withoutRefresh<T>(work: () => Promise<T>): Promise<T>
  /** Runs `work` on the index blobs, apart from any other load or write of indexes, and then loads what it has made of them. */
  changeIndexes<T>(work: (indexes: IndexBlobManager) => Promise<T>): Promise<T>
}

export interface ContentCounters {
  hashedContents: number
  hashedBytes: number
  writtenContents: number
  /** Sealed bytes appended to packs. */
  writtenBytes: number
  uploadedBlobs: number
  uploadedBytes: number
  readContents: number
  readBytes: number
}
