import type { BlobId } from '#repo/blob/storage.ts'
import type { ContentId } from './content-id.ts'
import type { ContentInfo } from './content-info.ts'
import type { Lease } from './lease.ts'

export type PackKind = 'p' | 'q'

/** A pack being filled, or filled and not yet stored. Its sealed contents stay readable from memory. Source: spec 02, 2.4 and 2.7. */
export class PendingPack {
  readonly parts: Uint8Array[] = []
  /** Where each part ends. */
  readonly #ends: number[] = []
  lengthBytes = 0
  /** Records to go into the recovery index, deletions of contents in other packs included. */
  readonly records = new Map<ContentId, ContentInfo>()
  /** All parts with padding, recovery index and postamble; set once. */
  finished: readonly Uint8Array[] | undefined
  readonly #leases = new Set<Lease>()

  constructor(
    readonly id: BlobId,
    readonly kind: PackKind,
    preamble: readonly Uint8Array[],
  ) {
    for (const part of preamble) this.append(part)
  }

  /** Adds sealed bytes without copying them; returns their offset. `lease`: of the memory that they lie in. */
  append(sealed: Uint8Array, lease?: Lease): number {
    const offset = this.lengthBytes
    this.lengthBytes += sealed.length
    // Contents that were sealed together lie one behind the other: one part for all of them, not thousands.
    const last = this.parts.at(-1)
    if (last?.buffer === sealed.buffer && last.byteOffset + last.length === sealed.byteOffset) {
      this.parts[this.parts.length - 1] = new Uint8Array(last.buffer, last.byteOffset, last.length + sealed.length)
      this.#ends[this.#ends.length - 1] = this.lengthBytes
    } else {
      this.parts.push(sealed)
      this.#ends.push(this.lengthBytes)
    }
    if (lease && !this.#leases.has(lease)) {
      this.#leases.add(lease)
      lease.hold()
    }
    return offset
  }

  /** A copy of appended bytes. */
  copy(offset: number, length: number): Buffer {
    const out = Buffer.allocUnsafe(length)
    let part = this.#partAt(offset)
    for (let done = 0; done < length; part++) {
      const bytes = this.parts[part] as Uint8Array
      const from = offset + done - ((this.#ends[part] as number) - bytes.length)
      const some = bytes.subarray(from, Math.min(bytes.length, from + length - done))
      out.set(some, done)
      done += some.length
    }
    return out
  }

  /** The pack is stored, or never will be: nobody looks at its memory any more. */
  dropMemory(): void {
    for (const lease of this.#leases) lease.drop()
    this.#leases.clear()
  }

  /** Whether any record needs bytes of this pack: if none does, it is not stored. */
  get isReferenced(): boolean {
    for (const record of this.records.values()) if (record.packBlob === this.id) return true
    return false
  }

  /** The part that holds the byte at `offset`. */
  #partAt(offset: number): number {
    let low = 0
    let high = this.parts.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ends[middle] as number) <= offset) low = middle + 1
      else high = middle
    }
    return low
  }
}
