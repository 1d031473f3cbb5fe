import type { ContentStore, ContentToWrite } from '#repo/content/store.ts'
import { prepareChunk } from './chunk-writer.ts'
import { ChunkList } from './indirect.ts'
import type { ObjectId, ObjectWriter, ObjectWriterOptions } from './object.ts'
import { directObjectId, indirectObjectId } from './object-id.ts'
import type { ByteBudget, SegmentBuffers } from './segment-buffers.ts'
import type { SplitterType } from './splitter/registry.ts'

/** What all writers of an object manager share. */
export interface WriterContext {
  readonly contents: ContentStore
  readonly indexVersion: 1 | 2
  /** The splitter of a name, or the repository's default. */
  readonly splitter: (name: string) => SplitterType
  /** For single segments. */
  readonly buffers: SegmentBuffers
  /** For many segments one behind the other. */
  readonly slabs: SegmentBuffers
  readonly budget: ByteBudget
}

/** Bytes asked for at once; while they are read, the ones before are searched for cuts. */
const readBytes = 4 << 20

/** Cuts a stream into contents (spec 03, 1.2). Bytes are collected in a slab of memory that has room for several segments, which are hashed
 *  and sealed together while the next slab is being filled; what is sealed stays in the slab until its pack is stored. Calls must not
 *  overlap. */
export class SplittingWriter implements ObjectWriter {
  readonly #splitter: SplitterType
  readonly #slabBytes: number
  #slab: Buffer | undefined
  /** Bytes in the slab. */
  #have = 0
  /** Ends of the segments in the slab. */
  #cuts: number[] = []
  /** Up to here no further cut was found. */
  #searched = 0
  readonly #lengths: number[] = []
  readonly #ids: ObjectId[] = []
  readonly #inFlight = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined
  #closed = false
  /** A call of write, fill or finish is at work. */
  #busy = false
  /** What a checkpoint hands on meanwhile. */
  #early: Promise<void> | undefined

  constructor(
    readonly context: WriterContext,
    readonly options: ObjectWriterOptions,
  ) {
    this.#splitter = context.splitter(options.splitter)
    // A full slab must have a cut in it, and should have several.
    this.#slabBytes = Math.max(context.slabs.largeBytes, 2 * this.#splitter.maxBytes)
  }

  write(data: Uint8Array): Promise<void> {
    return this.#alone(() => this.#write(data))
  }

  fill(read: (into: Buffer) => Promise<number>): Promise<void> {
    return this.#alone(() => this.#fill(read))
  }

  finish(): Promise<ObjectId> {
    return this.#alone(() => this.#finish())
  }

  /** Good at any time: a file may be finished, or given up, just when it is its turn. */
  async checkpoint(): Promise<ObjectId | ''> {
    if (!this.#busy && this.#cuts.length > 0) {
      this.#early ??= this.#send().finally(() => {
        this.#early = undefined
      })
      await this.#early
    }
    return this.#object()
  }

  abort(): void {
    this.#closed = true
    this.#slab = undefined
    this.#have = 0
    this.#cuts = []
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    this.#busy = true
    try {
      await this.#early?.catch(() => undefined)
      this.#check()
      return await work()
    } finally {
      this.#busy = false
    }
  }

  async #write(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length; ) {
      const slab = this.#slabFor(data.length - at)
      const piece = data.subarray(at, at + Math.min(readBytes, slab.length - this.#have))
      slab.set(piece, this.#have)
      this.#have += piece.length
      at += piece.length
      this.#search()
      if (this.#have === this.#slabBytes) await this.#send()
    }
  }

  async #fill(read: (into: Buffer) => Promise<number>): Promise<void> {
    const next = () => {
      const reading = read(this.#slabFor(readBytes).subarray(this.#have, this.#have + readBytes))
      // Seen only when awaited; without this an early failure of what comes before would leave it unhandled.
      reading.catch(() => undefined)
      return reading
    }
    for (let reading = next(); ; ) {
      const got = await reading
      if (got === 0) return
      this.#have += got
      const isFull = this.#have === this.#slabBytes
      if (!isFull) reading = next()
      this.#search()
      if (isFull) {
        await this.#send()
        reading = next()
      }
    }
  }

  async #finish(): Promise<ObjectId> {
    const end = this.#cuts.at(-1) ?? 0
    if (this.#have > end || (end === 0 && this.#lengths.length === 0)) this.#cuts.push(this.#have)
    if (this.#cuts.length > 0) await this.#send()
    this.#closed = true
    return this.#object() as Promise<ObjectId>
  }

  #check(): void {
    if (this.#closed) throw new Error('the object is already finished or was given up')
    if (this.#failure) throw this.#failure.error
  }

  /** The slab, with room for `bytes` more or as many as there can be; no room only when it is full. */
  #slabFor(bytes: number): Buffer {
    const { slabs } = this.context
    const needed = Math.min(this.#slabBytes, this.#have + bytes)
    const slab = this.#slab
    if (slab && slab.length >= needed) return slab
    const larger = slabs.take(Math.min(this.#slabBytes, Math.max(needed, 2 * (slab?.length ?? 0))))
    if (slab) {
      larger.set(slab.subarray(0, this.#have))
      slabs.give(slab)
    }
    this.#slab = larger
    return larger
  }

  #search(): void {
    const data = (this.#slab as Buffer).subarray(0, this.#have)
    for (;;) {
      const start = this.#cuts.at(-1) ?? 0
      const cut = start === this.#have ? -1 : this.#splitter.findCut(data, start, Math.max(start, this.#searched))
      if (cut < 0) break
      this.#cuts.push(cut)
      this.#searched = cut
    }
    this.#searched = this.#have
  }

  /** Hands the segments in the slab on; the rest goes on in another slab. */
  async #send(): Promise<void> {
    const slab = this.#slab ?? Buffer.alloc(0)
    const cuts = this.#cuts
    const end = cuts.at(-1) as number
    const { budget } = this.context
    await budget.acquire(end)
    if (this.#closed || this.#failure) {
      budget.release(end)
      this.#check()
    }
    this.#slab = undefined
    this.#cuts = []
    const rest = slab.subarray(end, this.#have)
    this.#have = 0
    if (rest.length > 0) this.#slabFor(this.#slabBytes).set(rest)
    this.#have = rest.length
    this.#searched = rest.length
    const first = this.#lengths.length
    for (let i = 0; i < cuts.length; i++) this.#lengths.push((cuts[i] as number) - (i === 0 ? 0 : (cuts[i - 1] as number)))
    const run = this.#store(slab, cuts, first).finally(() => {
      budget.release(end)
      this.#inFlight.delete(run)
    })
    this.#inFlight.add(run)
  }

  /** Never rejects: the first failure is kept for the next call. */
  async #store(slab: Buffer, cuts: readonly number[], first: number): Promise<void> {
    const { contents, indexVersion, slabs } = this.context
    const { prefix, compressor } = this.options
    const release = () => slabs.give(slab)
    try {
      const chunks = await Promise.all(
        cuts.map((cut, i) => prepareChunk(indexVersion, prefix, compressor, slab.subarray(i === 0 ? 0 : cuts[i - 1], cut))),
      )
      const ids = await putOwned(
        contents,
        chunks.map(({ content }) => content),
        release,
      )
      for (let i = 0; i < ids.length; i++)
        this.#ids[first + i] = directObjectId(ids[i] as (typeof ids)[number], chunks[i]?.compressed === true)
    } catch (error) {
      this.#failure ??= { error }
    }
  }

  /** The object made of the chunks flushed so far, '' without any. */
  async #object(): Promise<ObjectId | ''> {
    await Promise.all(this.#inFlight)
    if (this.#failure) throw this.#failure.error
    // A checkpoint does not stop the writing: chunks that have begun since then may be stored in any order, or not yet.
    const gap = this.#lengths.findIndex((_, i) => this.#ids[i] === undefined)
    const ids = gap < 0 ? this.#ids : this.#ids.slice(0, gap)
    if (ids.length < 2) return ids[0] ?? ''
    return writeIndex(
      this.context,
      new ChunkList(this.#lengths.slice(0, ids.length), ids),
      this.options.prefix || 'x',
      this.options.metadataCompressor,
    )
  }
}

/** Lets the store have the memory of the contents where it can use it. */
async function putOwned(contents: ContentStore, chunks: readonly ContentToWrite[], release: () => void) {
  if (contents.putOwned) return contents.putOwned(chunks, release)
  try {
    return await contents.putMany(chunks)
  } finally {
    release()
  }
}

/** Writes an index stream, itself indirect when long, always cut by the repository's default splitter (spec 03, 1.3). */
export async function writeIndex(context: WriterContext, chunks: ChunkList, prefix: string, metadataCompressor: string): Promise<ObjectId> {
  const writer = new SplittingWriter(context, { prefix, compressor: metadataCompressor, metadataCompressor, splitter: '' })
  await writer.write(chunks.encode())
  return indirectObjectId(await writer.finish())
}
