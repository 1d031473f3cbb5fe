import type { Clock } from '#base/clock.ts'
import type { BlobId, BlobInfo, BlobStorage } from '#repo/blob/storage.ts'
import type { ContentId } from '#repo/content/content-id.ts'
import type { EpochManager } from '#repo/content/epoch/manager.ts'
import type { Cipher, Hasher } from '#repo/crypto/algorithms.ts'
import type { RepositoryFormat } from '#repo/format/repository-format.ts'

/** The index blobs that readers must load, and from when on deleted records count as gone. */
export interface ActiveIndexBlobs {
  readonly blobs: readonly BlobInfo[]
  /** Unix seconds; absent = none. */
  readonly watermarkSeconds?: number
  /** Blobs that should have had a say in this and cannot be read, with the reason. */
  readonly damaged?: ReadonlyMap<BlobId, string>
}

/** An index blob that was stored, with its decrypted file. */
export interface WrittenIndex {
  readonly id: BlobId
  readonly file: Buffer
}

/** Options of spec 02, 4.2. With epochs only dropDeletedBeforeSeconds acts. */
export interface IndexCompaction {
  /** Fewer small blobs than this are left alone. */
  readonly maxSmallBlobs: number
  readonly allIndexes?: boolean
  /** Deleted records with an earlier timestamp (unix seconds) are dropped; with epochs: becomes the deletion watermark. */
  readonly dropDeletedBeforeSeconds?: number
  readonly dropContents?: ReadonlySet<ContentId>
  /** Without the hour that superseded blobs stay: correct only with no other client running. */
  readonly disableSafety?: boolean
}

/** What both schemes of naming and replacing index blobs offer (spec 02, section 4). */
export interface IndexBlobManager {
  /** Present in the epoch scheme: what its maintenance calls. */
  readonly epochs: EpochManager | undefined
  activeSet(): Promise<ActiveIndexBlobs>
  /** Stores index files as blobs of one session. Throws SlowIndexWriteError when it took too long (epochs): nothing is stored then. */
  write(shards: readonly Buffer[], sessionId: string): Promise<WrittenIndex[]>
  /** Maintenance owner only. */
  compact(options: IndexCompaction): Promise<void>
  /** Forgets what was seen of the storage. */
  invalidate(): void
}

export interface IndexBlobContext {
  readonly storage: BlobStorage
  readonly cipher: Cipher
  readonly hasher: Hasher
  readonly format: RepositoryFormat
  readonly clock: Clock
  /** Random bytes; the system's when absent. */
  readonly random?: (sizeBytes: number) => Buffer
  /** Ends waiting and retries. */
  readonly signal?: AbortSignal
}
