import { BlobNotFoundError, ReadOnlyStorageError } from './errors.ts'
import type { BlobExtras, BlobId, BlobInfo, BlobStorage, ByteRange } from './storage.ts'
import { ForwardingStorage } from './wrap/forward.ts'

/** One of the states that a blob has been in. */
export interface BlobVersion extends BlobInfo {
  /** As the service names it. */
  readonly version: string
  /** The blob was deleted then. */
  readonly deleted: boolean
}

/** What a storage that keeps old versions must be able to do. */
export interface VersionSource {
  /** All versions of the blobs whose ID starts with `prefix`, those of one blob one after the other, the newest of them first. */
  versions(prefix: BlobId): AsyncIterable<BlobVersion>
  /** As BlobStorage.get, of one version. */
  getVersion(id: BlobId, version: string, range?: ByteRange): Promise<Buffer>
}

/** The storage as it was at a time (ms since the epoch), read-only. Source: spec 04, 4.4. */
export const pointInTimeView = (storage: BlobStorage, source: VersionSource, atMs: number): BlobStorage =>
  new PointInTimeView(storage, source, atMs)

class PointInTimeView extends ForwardingStorage {
  constructor(
    storage: BlobStorage,
    private readonly source: VersionSource,
    private readonly atMs: number,
  ) {
    super(storage)
  }

  override get extras(): BlobExtras {
    const { extendRetention: _, ...others } = this.inner.extras
    return others
  }

  override async get(id: BlobId, range?: ByteRange): Promise<Buffer> {
    const { version } = await this.find(id)
    return this.source.getVersion(id, version, range)
  }

  override async stat(id: BlobId): Promise<BlobInfo> {
    const { sizeBytes, modifiedMs } = await this.find(id)
    return { id, sizeBytes, modifiedMs }
  }

  override async *list(prefix: BlobId): AsyncIterable<BlobInfo> {
    for await (const { id, sizeBytes, modifiedMs } of this.current(prefix)) yield { id, sizeBytes, modifiedMs }
  }

  override put(id: BlobId): Promise<BlobInfo> {
    return this.refuse(`write blob ${id}`)
  }

  override delete(id: BlobId): Promise<void> {
    return this.refuse(`delete blob ${id}`)
  }

  /** The newest version not after the time, per blob; none of blobs that were deleted or not there yet. */
  private async *current(prefix: BlobId): AsyncIterable<BlobVersion> {
    let decided: BlobId | undefined
    for await (const version of this.source.versions(prefix)) {
      if (version.id === decided || version.modifiedMs > this.atMs) continue
      decided = version.id
      if (!version.deleted) yield version
    }
  }

  private async find(id: BlobId): Promise<BlobVersion> {
    for await (const version of this.current(id)) {
      if (version.id === id) return version
      // Names come in order: the blob itself is the first that begins with its ID.
      break
    }
    throw new BlobNotFoundError(id)
  }

  private async refuse(what: string): Promise<never> {
    const at = new Date(this.atMs).toISOString()
    throw new ReadOnlyStorageError(`cannot ${what}: this is the storage as it was at ${at}. Connect without --point-in-time to change it.`)
  }
}
