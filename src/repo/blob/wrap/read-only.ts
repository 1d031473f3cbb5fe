import { ReadOnlyStorageError } from '../errors.ts'
import type { BlobExtras, BlobInfo, BlobStorage } from '../storage.ts'
import { ForwardingStorage } from './forward.ts'

/** The same storage, which refuses every change with ReadOnlyStorageError (spec 04, 4.6). */
export function readOnly(inner: BlobStorage): BlobStorage {
  return new ReadOnlyStorage(inner)
}

const refuse = async (): Promise<never> => {
  throw new ReadOnlyStorageError(
    'storage is read-only. Connect without --readonly, or run "repository set-client --read-write", to change it.',
  )
}

class ReadOnlyStorage extends ForwardingStorage {
  override get extras(): BlobExtras {
    const { extendRetention, ...others } = this.inner.extras
    return extendRetention ? { ...others, extendRetention: refuse } : others
  }

  override put(): Promise<BlobInfo> {
    return refuse()
  }

  override delete(): Promise<void> {
    return refuse()
  }
}
