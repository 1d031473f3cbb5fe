import type { ContentStore } from '#repo/content/store.ts'
import { putChunk } from './chunk-writer.ts'
import { ChunkList } from './indirect.ts'
import type { ObjectId, ObjectWriter, ObjectWriterOptions } from './object.ts'
import { indirectObjectId } from './object-id.ts'
import type { ByteBudget, SegmentBuffers } from './segment-buffers.ts'
import type { SplitterType } from './splitter/registry.ts'

/** What all writers of an object manager share. */
export interface WriterContext {
  readonly contents: ContentStore
  readonly indexVersion: 1 | 2
  /** The splitter of a name, or the repository's default. */
  readonly splitter: (name: string) => SplitterType
  readonly buffers: SegmentBuffers
  readonly budget: ByteBudget
}

/** Segments of one object that may be hashed and sealed while the next one is being read. */
const segmentsInFlight = 2
/** Bytes looked at per step when a segment is collected from several writes: what lies behind a cut was copied in vain. */
const stepBytes = 1 << 20

/** Cuts a stream into contents (spec 03, 1.2). Calls must not overlap. */
export class SplittingWriter implements ObjectWriter {
  readonly #splitter: SplitterType
  #buffer: Buffer | undefined
  #have = 0
  #searched = 0
  readonly #lengths: number[] = []
  readonly #ids: ObjectId[] = []
  readonly #inFlight = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined
  #closed = false

  constructor(
    readonly context: WriterContext,
    readonly options: ObjectWriterOptions,
  ) {
    this.#splitter = context.splitter(options.splitter)
  }

  async write(data: Uint8Array): Promise<void> {
    this.#check()
    for (let at = 0; at < data.length; ) {
      if (this.#have === 0) {
        const cut = this.#splitter.findCut(data, at, at)
        if (cut < 0) {
          this.#append(data.subarray(at))
          this.#searched = this.#have
          return
        }
        this.#append(data.subarray(at, cut))
        at = cut
        await this.#flush(this.#have)
        continue
      }
      const before = this.#have
      const piece = Math.min(data.length - at, Math.max(stepBytes, this.#splitter.minBytes - before), this.#splitter.maxBytes - before)
      this.#append(data.subarray(at, at + piece))
      const cut = this.#splitter.findCut((this.#buffer as Buffer).subarray(0, this.#have), 0, this.#searched)
      this.#searched = this.#have
      if (cut < 0) at += piece
      else {
        at += cut - before
        await this.#flush(cut)
      }
    }
  }

  async finish(): Promise<ObjectId> {
    this.#check()
    if (this.#have > 0 || this.#lengths.length === 0) await this.#flush(this.#have)
    this.#closed = true
    return this.#object() as Promise<ObjectId>
  }

  /** Good at any time: a file may be finished, or given up, just when it is its turn. */
  async checkpoint(): Promise<ObjectId | ''> {
    return this.#object()
  }

  abort(): void {
    this.#closed = true
    this.#buffer = undefined
    this.#have = 0
  }

  #check(): void {
    if (this.#closed) throw new Error('the object is already finished or was given up')
    if (this.#failure) throw this.#failure.error
  }

  #append(piece: Uint8Array): void {
    const needed = this.#have + piece.length
    const { buffers } = this.context
    if (!this.#buffer) this.#buffer = buffers.take(needed)
    else if (needed > this.#buffer.length) {
      const grown = buffers.take(Math.max(needed, Math.min(this.#buffer.length * 2, this.#splitter.maxBytes)))
      grown.set(this.#buffer.subarray(0, this.#have))
      buffers.give(this.#buffer)
      this.#buffer = grown
    }
    this.#buffer.set(piece, this.#have)
    this.#have = needed
  }

  /** Hands the first `length` buffered bytes on as a chunk; the rest is forgotten (write() goes back to it). */
  async #flush(length: number): Promise<void> {
    const buffer = this.#buffer ?? Buffer.alloc(0)
    this.#buffer = undefined
    this.#have = 0
    this.#searched = 0
    while (this.#inFlight.size >= segmentsInFlight) await Promise.race(this.#inFlight)
    await this.context.budget.acquire(length)
    const slot = this.#lengths.push(length) - 1
    const run = this.#store(buffer, length, slot).finally(() => {
      this.#inFlight.delete(run)
    })
    this.#inFlight.add(run)
    this.#check()
  }

  /** Never rejects: the first failure is kept for the next call. */
  async #store(buffer: Buffer, length: number, slot: number): Promise<void> {
    const { contents, indexVersion, budget, buffers } = this.context
    const { prefix, compressor } = this.options
    try {
      this.#ids[slot] = await putChunk(contents, indexVersion, prefix, compressor, buffer.subarray(0, length))
      buffers.give(buffer)
    } catch (error) {
      this.#failure ??= { error }
    } finally {
      budget.release(length)
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

/** Writes an index stream, itself indirect when long, always cut by the repository's default splitter (spec 03, 1.3). */
export async function writeIndex(context: WriterContext, chunks: ChunkList, prefix: string, metadataCompressor: string): Promise<ObjectId> {
  const writer = new SplittingWriter(context, { prefix, compressor: metadataCompressor, metadataCompressor, splitter: '' })
  await writer.write(chunks.encode())
  return indirectObjectId(await writer.finish())
}
