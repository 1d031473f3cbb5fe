import { KuraError } from '#base/errors.ts'
import { mapLimited } from '#base/limit.ts'
import { compressorByHeader } from '#repo/compression/registry.ts'
import type { ContentId } from '#repo/content/content-id.ts'
import type { ContentReader, PlainMemory } from '#repo/content/store.ts'
import { CorruptObjectError, ObjectNotFoundError, ObjectTooLargeError } from './errors.ts'
import { type ChunkList, decodeChunkList } from './indirect.ts'
import type { ObjectId, ObjectReader } from './object.ts'
import { indexObjectId, isIndirect, objectIdParts } from './object-id.ts'

/** Levels of indirection followed; each holds thousands of entries, so real objects need two or three. */
const maxDepth = 16
const maxIndexBytes = 512 << 20
/** No splitter makes larger chunks than 16 MiB; this bounds what a compressed one may expand to. */
const maxChunkBytes = 128 << 20
const chunksHeld = 2
/** Parts that are objects of several chunks themselves are handed out in pieces of this size. */
const pieceBytes = 4 << 20

/** Opens an object (spec 03, 1.5). `inside` = indirect objects on the way to this one. `memory`: where the bytes of a direct one may go.
 *  ObjectNotFoundError, InvalidObjectIdError, CorruptObjectError. */
export async function openObject(
  contents: ContentReader,
  id: ObjectId,
  inside: readonly ObjectId[] = [],
  memory?: PlainMemory,
): Promise<LoadedObject> {
  if (!isIndirect(id)) return new DirectObject(await readDirect(contents, id, maxChunkBytes, memory))
  return new IndirectObject(contents, id, await readChunkList(contents, id, inside), inside)
}

export interface LoadedObject extends ObjectReader {
  /** All bytes; not to be changed by the caller. */
  all(): Promise<Buffer>
}

/** Refuses an object that contains itself and absurd depth. `inside` = indirect objects on the way to this one. CorruptObjectError. */
export function checkNesting(id: ObjectId, inside: readonly ObjectId[]): void {
  if (inside.includes(id)) throw new CorruptObjectError(id, 'it contains itself')
  if (inside.length >= maxDepth || objectIdParts(id).indirection > maxDepth) throw new CorruptObjectError(id, 'it is nested too deeply')
}

/** The entries of an indirect object. Throws what checkNesting throws, and CorruptObjectError. */
export async function readChunkList(contents: ContentReader, id: ObjectId, inside: readonly ObjectId[]): Promise<ChunkList> {
  checkNesting(id, inside)
  const index = await openObject(contents, indexObjectId(id), [...inside, id])
  if (index.sizeBytes > maxIndexBytes) throw new ObjectTooLargeError(indexObjectId(id), index.sizeBytes, maxIndexBytes)
  return decodeChunkList(id, await index.all())
}

/** Plain bytes of an object held by one content, of at most `maxBytes`. They may lie in what `memory` returned. */
export async function readDirect(contents: ContentReader, id: ObjectId, maxBytes = maxChunkBytes, memory?: PlainMemory): Promise<Buffer> {
  const { compressed, content } = objectIdParts(id)
  if (content === '') throw new ObjectNotFoundError(id)
  const stored = await getContent(contents, id, content, compressed ? undefined : memory)
  if (!compressed) return stored
  if (stored.length < 4) throw new CorruptObjectError(id, 'its content is too short to be compressed')
  return compressorByHeader(stored.readUInt32BE(0)).expand(stored.subarray(4), maxBytes)
}

async function getContent(contents: ContentReader, id: ObjectId, content: ContentId, memory?: PlainMemory): Promise<Buffer> {
  try {
    return await contents.get(content, memory)
  } catch (error) {
    if (error instanceof KuraError && error.code === 'CONTENT_NOT_FOUND') throw new ObjectNotFoundError(id, { cause: error })
    throw error
  }
}

function checkOffset(offset: number): void {
  if (!(offset >= 0)) throw new RangeError(`cannot read an object at offset ${offset}`)
}

class DirectObject implements LoadedObject {
  constructor(readonly bytes: Buffer) {}

  get sizeBytes(): number {
    return this.bytes.length
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    return copyInto(into, this.bytes, offset)
  }

  async all(): Promise<Buffer> {
    return this.bytes
  }

  segmentAt(): { start: number; end: number } {
    return { start: 0, end: this.bytes.length }
  }

  async loadSegment(): Promise<Buffer> {
    return this.bytes
  }

  close(): void {}
}

function copyInto(into: Uint8Array, bytes: Buffer, offset: number): number {
  checkOffset(offset)
  if (offset >= bytes.length) return 0
  const count = Math.min(into.length, bytes.length - offset)
  into.set(bytes.subarray(offset, offset + count))
  return count
}

interface HeldChunk {
  readonly chunk: number
  readonly loaded: Promise<LoadedObject>
}

class IndirectObject implements LoadedObject {
  /** Chunks used last, newest at the end; shared by reads at the same time. */
  #held: HeldChunk[] = []

  constructor(
    readonly contents: ContentReader,
    readonly id: ObjectId,
    readonly chunks: ChunkList,
    readonly inside: readonly ObjectId[],
  ) {}

  get sizeBytes(): number {
    return this.chunks.sizeBytes
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    checkOffset(offset)
    const wanted = Math.max(0, Math.min(into.length, this.sizeBytes - offset))
    let done = 0
    for (let chunk = wanted > 0 ? this.chunks.find(offset) : 0; done < wanted; chunk++) {
      const inChunk = offset + done - this.chunks.start(chunk)
      const count = Math.min(wanted - done, this.chunks.length(chunk) - inChunk)
      if (count === 0) continue
      const got = await (await this.#chunk(chunk)).read(into.subarray(done, done + count), inChunk)
      if (got !== count) throw new CorruptObjectError(this.id, `chunk ${chunk} is shorter than its index says`)
      done += count
    }
    return done
  }

  async all(): Promise<Buffer> {
    const out = Buffer.allocUnsafe(this.sizeBytes)
    await mapLimited(Array(this.chunks.count).keys(), 4, async (chunk) => {
      const length = this.chunks.length(chunk)
      if (length === 0) return
      const start = this.chunks.start(chunk)
      const got = await (await this.#load(chunk)).read(out.subarray(start, start + length), 0)
      if (got !== length) throw new CorruptObjectError(this.id, `chunk ${chunk} is shorter than its index says`)
    })
    return out
  }

  segmentAt(offset: number): { start: number; end: number } {
    const chunk = this.chunks.find(offset)
    const start = this.chunks.start(chunk)
    const end = start + this.chunks.length(chunk)
    if (!isIndirect(this.chunks.id(chunk))) return { start, end }
    const piece = offset - ((offset - start) % pieceBytes)
    return { start: piece, end: Math.min(piece + pieceBytes, end) }
  }

  async loadSegment(start: number, memory?: PlainMemory): Promise<Uint8Array> {
    const chunk = this.chunks.find(start)
    if (!isIndirect(this.chunks.id(chunk))) return this.#loadDirect(chunk, memory)
    const piece = Buffer.allocUnsafe(this.segmentAt(start).end - start)
    await this.read(piece, start)
    return piece
  }

  close(): void {
    this.#held = []
  }

  #chunk(chunk: number): Promise<LoadedObject> {
    const known = this.#held.find((h) => h.chunk === chunk)
    const found = known ?? { chunk, loaded: this.#load(chunk) }
    this.#held = [...this.#held.filter((h) => h !== known).slice(known ? 0 : 1 - chunksHeld), found]
    // A failure is not remembered: the next read tries again.
    if (!known) found.loaded.catch(() => this.#forget(found))
    return found.loaded
  }

  #forget(held: HeldChunk): void {
    this.#held = this.#held.filter((h) => h !== held)
  }

  async #load(chunk: number): Promise<LoadedObject> {
    const id = this.chunks.id(chunk)
    if (isIndirect(id)) return openObject(this.contents, id, [...this.inside, this.id])
    return new DirectObject(await this.#loadDirect(chunk))
  }

  async #loadDirect(chunk: number, memory?: PlainMemory): Promise<Buffer> {
    const length = this.chunks.length(chunk)
    const bytes = await readDirect(this.contents, this.chunks.id(chunk), Math.min(length, maxChunkBytes), memory)
    if (bytes.length !== length)
      throw new CorruptObjectError(this.id, `chunk ${chunk} has ${bytes.length} bytes instead of the ${length} that its index says`)
    return bytes
  }
}
