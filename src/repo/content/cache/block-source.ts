import { LRUCache } from 'lru-cache'
import type { BlobId, BlobReader, BlobStorage } from '#repo/blob/storage.ts'
import type { ContentInfo } from '../content-info.ts'
import { type ContentSource, directSource } from './content-source.ts'
import { SingleFlight } from './single-flight.ts'

const blockBytes = 256 * 1024
/** Larger contents are read on their own. */
const maxSmallBytes = 32 * 1024
const maxHeldBytes = 16 * 1024 * 1024
const maxKnownSizes = 1000

/** Reads packs on a local disk: small contents by blocks that are kept for a while, because what was written together is read together
 *  and opening the pack costs more than reading it. */
export function blockSource(storage: BlobStorage): ContentSource {
  const direct = directSource(storage)
  const blocks = new Blocks(storage)
  const fetch = async (info: ContentInfo): Promise<Buffer> =>
    (info.packedLength <= maxSmallBytes ? await blocks.read(info.packBlob, info.packOffset, info.packedLength) : undefined) ??
    direct.fetch(info)
  return { ...direct, fetch, withFile: storage.extras.withFile }
}

class Blocks {
  readonly #held = new LRUCache<string, Buffer>({ maxSize: maxHeldBytes, sizeCalculation: (block) => block.length || 1 })
  readonly #sizes = new LRUCache<BlobId, number>({ max: maxKnownSizes })
  readonly #loading = new SingleFlight<Buffer>()

  constructor(private readonly storage: BlobReader) {}

  /** Undefined when the bytes do not lie within one block of the pack. */
  async read(pack: BlobId, offset: number, length: number): Promise<Buffer | undefined> {
    const number = Math.floor(offset / blockBytes)
    const from = offset - number * blockBytes
    if (from + length > blockBytes) return undefined
    const key = `${number} ${pack}`
    const block = this.#held.get(key) ?? (await this.#loading.run(key, () => this.#load(key, pack, number * blockBytes)))
    return from + length <= block.length ? block.subarray(from, from + length) : undefined
  }

  async #load(key: string, pack: BlobId, start: number): Promise<Buffer> {
    const size = this.#sizes.get(pack) ?? (await this.storage.stat(pack)).sizeBytes
    this.#sizes.set(pack, size)
    const length = Math.min(blockBytes, size - start)
    if (length <= 0) return Buffer.alloc(0)
    const block = await this.storage.get(pack, { offset: start, length })
    this.#held.set(key, block)
    return block
  }
}
