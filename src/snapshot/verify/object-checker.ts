import { KuraError, messageOf } from '#base/errors.ts'
import type { BlobId } from '#repo/blob/storage.ts'
import type { ContentId } from '#repo/content/content-id.ts'
import type { ContentReader } from '#repo/content/store.ts'
import type { ObjectId } from '#repo/object/object.ts'
import { isIndirect, objectIdParts } from '#repo/object/object-id.ts'
import { isDirect, type Repository } from '#repo/repository/repository.ts'

/** An object that cannot be counted on. */
export class ObjectFaultError extends KuraError {
  readonly code = 'OBJECT_FAULT'
}

/** Lengths of all blobs of the repository by their IDs, as the storage lists them now. */
export async function blobLengths(repository: Repository): Promise<Map<BlobId, number> | undefined> {
  if (!isDirect(repository)) return undefined
  const lengths = new Map<BlobId, number>()
  for await (const { id, sizeBytes } of repository.blobs.list('')) lengths.set(id, sizeBytes)
  return lengths
}

const readBytes = 1 << 20

/** Checks objects one by one: the indexes must know every content (deleted ones too), and its pack must be there and long enough
 *  (spec 07, 7.5 step 4). Without `blobs`, as on a server connection, packs are not looked at. */
export class ObjectChecker {
  readonly #contents: ContentReader | undefined

  constructor(
    readonly repository: Repository,
    readonly blobs: ReadonlyMap<BlobId, number> | undefined,
  ) {
    this.#contents = isDirect(repository) ? repository.contents : undefined
  }

  /** Throws ObjectFaultError. Needs no I/O for objects of one content, and then returns nothing. */
  check(id: ObjectId): Promise<void> | undefined {
    if (this.#contents && !isIndirect(id)) {
      this.#checkContent(id, objectIdParts(id).content as ContentId)
      return undefined
    }
    return this.#checkAll(id)
  }

  async #checkAll(id: ObjectId): Promise<void> {
    let contents: ContentId[]
    try {
      contents = await this.repository.objects.contentsOf(id)
    } catch (error) {
      throw new ObjectFaultError(`unable to open object: ${id}: ${messageOf(error)}`, { cause: error })
    }
    if (this.#contents) for (const content of contents) this.#checkContent(id, content)
  }

  #checkContent(id: ObjectId, content: ContentId): void {
    const info = content === ('' as ContentId) ? undefined : this.#contents?.info(content)
    if (!info) throw new ObjectFaultError(`unable to open object: ${id}: content ${content} not found: object not found`)
    if (!this.blobs) return
    const length = this.blobs.get(info.packBlob)
    if (length === undefined) throw new ObjectFaultError(`object ${id} is backed by missing blob ${info.packBlob}`)
    if (info.packOffset + info.packedLength > length)
      throw new ObjectFaultError(`object ${id} is backed by truncated blob ${info.packBlob} (${length} bytes)`)
  }

  /** Reads an object to its end; returns its length. Throws ObjectFaultError. */
  async readAll(id: ObjectId): Promise<number> {
    try {
      const reader = await this.repository.objects.open(id)
      try {
        const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(readBytes, reader.sizeBytes)))
        let at = 0
        for (let got = await reader.read(buffer, 0); got > 0; got = await reader.read(buffer, at)) at += got
        if (at !== reader.sizeBytes) throw new ObjectFaultError(`it ends after ${at} of ${reader.sizeBytes} bytes`)
        return at
      } finally {
        reader.close()
      }
    } catch (error) {
      throw new ObjectFaultError(`error reading object ${id}: unable to open object: ${id}: ${messageOf(error)}`, { cause: error })
    }
  }
}
