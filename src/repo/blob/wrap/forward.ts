import type { BlobExtras, BlobId, BlobInfo, BlobStorage, ByteRange, PutOptions } from '../storage.ts'

/** A storage that hands every call to the one inside; wrappers override what they change, so that none forgets the rest. */
export class ForwardingStorage implements BlobStorage {
  constructor(protected readonly inner: BlobStorage) {}

  get backend(): string {
    return this.inner.backend
  }

  get displayName(): string {
    return this.inner.displayName
  }

  get connection(): { readonly type: string; readonly config: unknown } {
    return this.inner.connection
  }

  get extras(): BlobExtras {
    return this.inner.extras
  }

  get(id: BlobId, range?: ByteRange): Promise<Buffer> {
    return this.inner.get(id, range)
  }

  stat(id: BlobId): Promise<BlobInfo> {
    return this.inner.stat(id)
  }

  list(prefix: BlobId): AsyncIterable<BlobInfo> {
    return this.inner.list(prefix)
  }

  put(id: BlobId, parts: readonly Uint8Array[], options?: PutOptions): Promise<BlobInfo> {
    return this.inner.put(id, parts, options)
  }

  delete(id: BlobId): Promise<void> {
    return this.inner.delete(id)
  }

  close(): Promise<void> {
    return this.inner.close()
  }
}
