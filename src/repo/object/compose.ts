import { putChunk } from './chunk-writer.ts'
import { ChunkList } from './indirect.ts'
import type { ComposedObject, ComposeRequest, ObjectId, StoredRange } from './object.ts'
import { isIndirect, objectIdParts } from './object-id.ts'
import { readChunkList, readDirect } from './reader.ts'
import type { SplitterType } from './splitter/registry.ts'
import { type WriterContext, writeIndex } from './writer.ts'

/** Bytes fetched per step while a cut is looked for: what lies behind the cut was fetched in vain. */
const stepBytes = 1 << 20
const chunksInFlight = 2

/** Chunks of an object that parts of the new one may be taken from. */
interface Donor {
  readonly chunks: ChunkList
  /** Decided with the first chunk: do its cuts and IDs come from the same splitter and compression as ours? */
  isSame: boolean | undefined
}

/** Makes an object of ranges of stored objects and new bytes, with the ID that writing all its bytes anew would give. A cut depends only
 *  on the bytes behind the cut before it, so wherever our cut falls on one of a stored object, that object's next chunk is ours too, as
 *  long as its bytes are. Everything else is read and cut. Source: spec 08, 4.8 step 4; spec 03, 1.2 and 2. */
export async function composeObject(context: WriterContext, request: ComposeRequest): Promise<ComposedObject> {
  return new Composition(context, request).run()
}

class Composition {
  readonly #splitter: SplitterType
  readonly #donors = new Map<ObjectId, Donor | undefined>()
  readonly #ranges: readonly StoredRange[]
  readonly #lengths: number[] = []
  readonly #ids: ObjectId[] = []
  readonly #running = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined
  #written = 0

  constructor(
    readonly context: WriterContext,
    readonly request: ComposeRequest,
  ) {
    this.#splitter = context.splitter(request.options.splitter)
    this.#ranges = joined(request.stored)
  }

  async run(): Promise<ComposedObject> {
    const { sizeBytes, partBytes = 0, options } = this.request
    const isSplit = partBytes > 0 && sizeBytes > partBytes
    const parts = isSplit ? Math.floor(sizeBytes / partBytes) + 1 : 1
    try {
      for (let i = 0; i < parts; i++) await this.#part(i * partBytes, i === parts - 1 ? sizeBytes : (i + 1) * partBytes)
    } finally {
      await Promise.all(this.#running)
    }
    this.#check()
    const [only] = this.#ids
    const objectId =
      only !== undefined && this.#lengths.length === 1
        ? only
        : await writeIndex(this.context, new ChunkList(this.#lengths, this.#ids), options.prefix || 'x', options.metadataCompressor)
    return { objectId, readBytes: this.#written }
  }

  async #part(start: number, end: number): Promise<void> {
    if (start === end) return this.#put(Buffer.alloc(0))
    for (let at = start; at < end; ) at += (await this.#take(at, end)) || (await this.#cut(at, end))
  }

  /** Takes over the stored chunk at `at`; its length, or 0 when there is none that fits. */
  async #take(at: number, end: number): Promise<number> {
    const range = rangeAt(this.#ranges, at)
    if (!range) return 0
    const donor = await this.#donor(range.objectId)
    if (!donor || donor.isSame === false) return 0
    const from = range.storedOffset + at - range.offset
    const { chunks } = donor
    if (from >= chunks.sizeBytes) return 0
    const chunk = chunks.find(from)
    const length = chunks.length(chunk)
    const id = chunks.id(chunk)
    if (chunks.start(chunk) !== from || isIndirect(id) || at + length > Math.min(end, range.offset + range.length)) return 0
    // The last chunk of an object, or of a part of one, ends where its bytes did, not at a cut.
    const isCut = from + length < chunks.sizeBytes && !this.#endsPart(chunks, from + length)
    if (at + length !== end && !isCut) return 0
    if (donor.isSame === undefined) {
      const agrees = !isCut || (await this.#agrees(id, length))
      if (!agrees) donor.isSame = false
      // A cut at the longest length is none that was found in the bytes: another splitter may well have made it.
      else if (isCut && (length < this.#splitter.maxBytes || this.#splitter.minBytes === length)) donor.isSame = true
      if (!agrees) return 0
    }
    this.#ids[this.#lengths.push(length) - 1] = id
    return length
  }

  #endsPart(chunks: ChunkList, end: number): boolean {
    const { partBytes = 0 } = this.request
    return partBytes > 0 && chunks.sizeBytes > partBytes && end % partBytes === 0
  }

  /** Whether our splitter and compressor make exactly this chunk of its bytes. */
  async #agrees(id: ObjectId, length: number): Promise<boolean> {
    const data = await readDirect(this.context.contents, id)
    if (data.length !== length || this.#splitter.findCut(data, 0, 0) !== length) return false
    return (await this.#store(data)) === id
  }

  async #donor(id: ObjectId): Promise<Donor | undefined> {
    if (this.#donors.has(id)) return this.#donors.get(id)
    const chunks = await this.#chunksOf(id)
    const donor = chunks && this.#couldBeOurs(chunks) ? { chunks, isSame: undefined } : undefined
    this.#donors.set(id, donor)
    return donor
  }

  async #chunksOf(id: ObjectId): Promise<ChunkList | undefined> {
    if (isIndirect(id)) return readChunkList(this.context.contents, id, [])
    const { compressed, content } = objectIdParts(id)
    if (compressed || content === '') return undefined
    const length = this.context.contents.info(content)?.originalLength
    return length === undefined ? undefined : new ChunkList([length], [id])
  }

  /** Cheap signs of another splitter. */
  #couldBeOurs(chunks: ChunkList): boolean {
    const { minBytes, maxBytes } = this.#splitter
    for (let i = 0; i < chunks.count; i++) {
      const length = chunks.length(i)
      const end = chunks.start(i) + length
      if (length > maxBytes) return false
      if (length < minBytes && end < chunks.sizeBytes && !this.#endsPart(chunks, end)) return false
    }
    return true
  }

  /** Reads from `at` on until the splitter cuts, and stores the chunk; its length. */
  async #cut(at: number, end: number): Promise<number> {
    const { minBytes, maxBytes } = this.#splitter
    const room = Math.min(maxBytes, end - at)
    const buffer = this.context.buffers.take(room)
    let have = 0
    for (;;) {
      const before = have
      have = Math.min(room, have < minBytes ? minBytes : have + stepBytes)
      await this.#fill(buffer.subarray(before, have), at + before)
      const cut = this.#splitter.findCut(buffer.subarray(0, have), 0, before)
      const length = cut >= 0 ? cut : have === end - at ? have : 0
      if (length > 0) {
        await this.#put(buffer.subarray(0, length), () => this.context.buffers.give(buffer))
        return length
      }
    }
  }

  async #fill(into: Uint8Array, offset: number): Promise<void> {
    let at = 0
    while (at < into.length) {
      const got = await this.request.read(into.subarray(at), offset + at)
      if (got <= 0) throw new RangeError(`the file ends at byte ${offset + at}, before its size`)
      at += got
    }
    this.#written += into.length
    this.request.onRead?.(into.length)
  }

  async #put(data: Buffer, done: () => void = () => undefined): Promise<void> {
    while (this.#running.size >= chunksInFlight) await Promise.race(this.#running)
    this.#check()
    const slot = this.#lengths.push(data.length) - 1
    const run = this.#store(data)
      .then(
        (id) => {
          this.#ids[slot] = id
          done()
        },
        (error: unknown) => {
          this.#failure ??= { error }
        },
      )
      .finally(() => this.#running.delete(run))
    this.#running.add(run)
  }

  async #store(data: Uint8Array): Promise<ObjectId> {
    const { contents, indexVersion, budget } = this.context
    await budget.acquire(data.length)
    try {
      return await putChunk(contents, indexVersion, this.request.options.prefix, this.request.options.compressor, data)
    } finally {
      budget.release(data.length)
    }
  }

  #check(): void {
    if (this.#failure) throw this.#failure.error
  }
}

/** Neighbours that go on in the same object become one range. */
function joined(ranges: readonly StoredRange[]): StoredRange[] {
  const result: StoredRange[] = []
  for (const range of ranges.toSorted((a, b) => a.offset - b.offset)) {
    const last = result.at(-1)
    const goesOn =
      last?.objectId === range.objectId &&
      last.offset + last.length === range.offset &&
      last.storedOffset + last.length === range.storedOffset
    if (last && goesOn) result[result.length - 1] = { ...last, length: last.length + range.length }
    else result.push(range)
  }
  return result
}

function rangeAt(ranges: readonly StoredRange[], offset: number): StoredRange | undefined {
  let low = 0
  let high = ranges.length - 1
  while (low <= high) {
    const middle = (low + high) >>> 1
    const range = ranges[middle] as StoredRange
    if (offset < range.offset) high = middle - 1
    else if (offset >= range.offset + range.length) low = middle + 1
    else return range
  }
  return undefined
}
