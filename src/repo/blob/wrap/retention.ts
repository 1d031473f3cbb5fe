import type { BlobId, BlobInfo, BlobStorage, BlobWrapper, PutOptions } from '../storage.ts'
import { ForwardingStorage } from './forward.ts'

/** IDs that begin with one of these are locked on put when retention is enabled (spec 01, 1.7; spec 04, 4.1.8). */
export const lockedPrefixes: readonly string[] = ['n', 'x', 'kopia.repository', 'kopia.blobcfg', 'p', 'q']

export const isLockedBlob = (id: BlobId): boolean => lockedPrefixes.some((prefix) => id.startsWith(prefix))

/** Wrapper that puts packs, indexes and the central blobs with a retention mode and period, overwriting what the caller asked for.
 *  Reads the setting at every put, since it can change while a repository is open; undefined = retention is off. */
export function retained(setting: () => { readonly mode: string; readonly periodNs: bigint } | undefined): BlobWrapper {
  return (inner) => new RetainedStorage(inner, setting)
}

class RetainedStorage extends ForwardingStorage {
  constructor(
    inner: BlobStorage,
    private readonly setting: () => { readonly mode: string; readonly periodNs: bigint } | undefined,
  ) {
    super(inner)
  }

  override put(id: BlobId, parts: readonly Uint8Array[], options?: PutOptions): Promise<BlobInfo> {
    const retention = isLockedBlob(id) ? this.setting() : undefined
    return this.inner.put(id, parts, retention ? { ...options, retention } : options)
  }
}
