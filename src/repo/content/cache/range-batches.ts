import { BlobRangeError } from '#repo/blob/errors.ts'
import type { BlobId, BlobReader } from '#repo/blob/storage.ts'

/** Longer ranges are fetched on their own: what one wait for storage costs does not count beside their bytes. */
const maxSingleBytes = 256 << 10
/** Bytes between two ranges that are fetched with them rather than waited for twice. */
const maxGapBytes = 32 << 10
const maxMergedBytes = 4 << 20

interface Wanted {
  readonly offset: number
  readonly length: number
  readonly resolve: (bytes: Buffer) => void
  readonly reject: (error: unknown) => void
}

interface Batch {
  /** Those who have not yet said whether they want something. */
  undecided: number
  wanted: Wanted[]
}

/** Somebody who may want a range of a pack, once it is known not to be in a cache. */
export interface RangeTicket {
  /** The range, with the errors of storage. To be called at most once. */
  fetch(offset: number, length: number): Promise<Buffer>
  /** Nothing is wanted, or no more. */
  done(): void
}

/** Fetches small ranges of a pack that are wanted at the same time, and lie near each other, as one: small files of a directory were written
 *  one after another and are read so. Waits for nobody but those who are just looking into a cache. */
export class RangeBatches {
  readonly #batches = new Map<BlobId, Batch>()

  constructor(private readonly storage: BlobReader) {}

  enter(pack: BlobId): RangeTicket {
    const batch = this.#batches.get(pack) ?? { undecided: 0, wanted: [] }
    this.#batches.set(pack, batch)
    batch.undecided++
    let isDecided = false
    const decide = (): void => {
      if (isDecided) return
      isDecided = true
      if (--batch.undecided === 0) this.#send(pack, batch)
    }
    const fetch = (offset: number, length: number): Promise<Buffer> => {
      if (length > maxSingleBytes) {
        decide()
        return this.storage.get(pack, { offset, length })
      }
      const result = new Promise<Buffer>((resolve, reject) => batch.wanted.push({ offset, length, resolve, reject }))
      decide()
      return result
    }
    return { fetch, done: decide }
  }

  #send(pack: BlobId, batch: Batch): void {
    this.#batches.delete(pack)
    const wanted = batch.wanted.sort((a, b) => a.offset - b.offset)
    for (let first = 0; first < wanted.length; ) {
      const start = (wanted[first] as Wanted).offset
      let [end, next] = [start, first]
      for (let one = wanted[next]; one !== undefined; one = wanted[++next]) {
        const longer = Math.max(end, one.offset + one.length)
        if (next > first && (one.offset > end + maxGapBytes || longer - start > maxMergedBytes)) break
        end = longer
      }
      void this.#fetchMerged(pack, start, end, wanted.slice(first, next))
      first = next
    }
  }

  async #fetchMerged(pack: BlobId, start: number, end: number, wanted: readonly Wanted[]): Promise<void> {
    try {
      const bytes = await this.storage.get(pack, { offset: start, length: end - start })
      for (const { offset, length, resolve } of wanted) resolve(bytes.subarray(offset - start, offset - start + length))
    } catch (error) {
      // One of them may lie outside of the pack: the others must not suffer for it.
      if (!(error instanceof BlobRangeError) || wanted.length === 1) for (const { reject } of wanted) reject(error)
      else for (const { offset, length, resolve, reject } of wanted) this.storage.get(pack, { offset, length }).then(resolve, reject)
    }
  }
}
