import type { Clock } from '#base/clock.ts'
import type { BlobId, BlobInfo, BlobStorage } from '#repo/blob/storage.ts'
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

/** What both schemes work with. */
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
