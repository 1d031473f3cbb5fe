import type { BlobExtras, BlobId, BlobInfo, BlobStorage, BlobWrapper, ByteRange, PutOptions } from '../storage.ts'
import { ForwardingStorage } from './forward.ts'

/** Wrapper that awaits `check` before every get, stat, put and delete (not listings, as in spec 04, 4.6); what it throws is the call's
 *  error. A check that has nothing to wait for returns undefined, which costs nothing. */
export function guarded(check: () => Promise<void> | undefined): BlobWrapper {
  return (inner) => new GuardedStorage(inner, check)
}

class GuardedStorage extends ForwardingStorage {
  constructor(
    inner: BlobStorage,
    private readonly check: () => Promise<void> | undefined,
  ) {
    super(inner)
  }

  override get extras(): BlobExtras {
    const { withFile, ...others } = this.inner.extras
    if (!withFile) return others
    return {
      ...others,
      withFile: async (id, use, sizeBytes) => {
        await this.check()
        return withFile(id, use, sizeBytes)
      },
    }
  }

  override async get(id: BlobId, range?: ByteRange): Promise<Buffer> {
    await this.check()
    return this.inner.get(id, range)
  }

  override async stat(id: BlobId): Promise<BlobInfo> {
    await this.check()
    return this.inner.stat(id)
  }

  override async put(id: BlobId, parts: readonly Uint8Array[], options?: PutOptions): Promise<BlobInfo> {
    await this.check()
    return this.inner.put(id, parts, options)
  }

  override async delete(id: BlobId): Promise<void> {
    await this.check()
    return this.inner.delete(id)
  }
}
