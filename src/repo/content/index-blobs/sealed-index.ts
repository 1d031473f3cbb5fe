import { randomBytes } from 'node:crypto'
import { mapLimited } from '#base/limit.ts'
import type { BlobId, BlobInfo } from '#repo/blob/storage.ts'
import type { IndexFile } from '#repo/content/index/index-file.ts'
import { parseIndex } from '#repo/content/index/parse.ts'
import { openBlob, sealBlob } from '#repo/crypto/blob-sealing.ts'
import type { IndexBlobContext } from './context.ts'

const parallelTransfers = 5

/** Reads and writes the sealed blobs that carry index files (spec 02, 4.1). */
export class SealedIndexes {
  readonly random: (sizeBytes: number) => Buffer

  constructor(readonly context: IndexBlobContext) {
    this.random = context.random ?? randomBytes
  }

  /** Decrypted bytes of a sealed blob. Throws BlobNotFoundError, DecryptionError. */
  async read(id: BlobId): Promise<Buffer> {
    return openBlob(this.context.cipher, id, await this.context.storage.get(id))
  }

  /** Opens index blobs, several at a time, in their order. Throws CorruptIndexError and what read throws. */
  loadAll(blobs: readonly BlobInfo[]): Promise<IndexFile[]> {
    return mapLimited(blobs, parallelTransfers, async ({ id }) => parseIndex(await this.read(id), this.context.cipher.overheadBytes, id))
  }

  /** Name without the prefix and sealed bytes. The prefix may be put in front later (spec 01, 1.19). */
  seal(payload: Uint8Array, suffix?: string): { readonly name: string; readonly data: Buffer } {
    const { id, data } = sealBlob(this.context.hasher, this.context.cipher, '', payload, suffix)
    return { name: id, data }
  }

  /** Seals and stores one payload under `prefix`. */
  store(prefix: string, payload: Uint8Array, suffix?: string): Promise<BlobInfo> {
    const { name, data } = this.seal(payload, suffix)
    return this.context.storage.put(prefix + name, [data])
  }

  /** Stores shards as one set of their own: readers use them only when all are there (spec 02, 4.3.2 and 4.3.7). */
  storeSet(prefix: string, shards: readonly Buffer[]): Promise<BlobInfo[]> {
    const suffix = `s${this.random(8).toString('hex')}-c${shards.length}`
    return mapLimited(shards, parallelTransfers, (shard) => this.store(prefix, shard, suffix))
  }
}
