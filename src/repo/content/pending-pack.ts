import type { BlobId } from '#repo/blob/storage.ts'
import type { ContentId } from './content-id.ts'
import type { ContentInfo } from './store.ts'

export type PackKind = 'p' | 'q'

/** A pack being filled, or filled and not yet stored. Its sealed contents stay readable from memory. Source: spec 02, 2.4 and 2.7. */
export class PendingPack {
  readonly parts: Uint8Array[] = []
  lengthBytes = 0
  /** Records to go into the recovery index, deletions of contents in other packs included. */
  readonly records = new Map<ContentId, ContentInfo>()
  /** All parts with padding, recovery index and postamble; set once. */
  finished: readonly Uint8Array[] | undefined
  readonly #sealedAt = new Map<number, Uint8Array>()

  constructor(
    readonly id: BlobId,
    readonly kind: PackKind,
    preamble: readonly Uint8Array[],
  ) {
    for (const part of preamble) this.#push(part)
  }

  /** Adds sealed bytes without copying them; returns their offset. */
  append(sealed: Uint8Array): number {
    const offset = this.lengthBytes
    this.#sealedAt.set(offset, sealed)
    this.#push(sealed)
    return offset
  }

  sealedAt(offset: number): Uint8Array | undefined {
    return this.#sealedAt.get(offset)
  }

  /** Whether any record needs bytes of this pack: if none does, it is not stored. */
  get isReferenced(): boolean {
    for (const record of this.records.values()) if (record.packBlob === this.id) return true
    return false
  }

  #push(part: Uint8Array): void {
    this.parts.push(part)
    this.lengthBytes += part.length
  }
}
