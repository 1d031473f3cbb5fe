import { nativeAddon } from '#base/native.ts'
import { type ContentId, InvalidContentIdError } from '../content-id.ts'
import type { ContentInfo } from '../content-info.ts'
import { CorruptIndexError } from './errors.ts'
import type { IndexFile, RowPlace } from './index-file.ts'

/** Name given to a pack whose real name cannot be read (spec 02, 3.3). */
export const invalidPackName = '---invalid---'

/** Probes placed by proportion before a search turns to halving. */
const maxProportionalProbes = 10

/** First four bytes of the hash in the key at `offset`, as a number; shorter hashes count as followed by zeros. */
function hashHead(bytes: Uint8Array, offset: number, keySize: number): number {
  const at = offset + 1
  if (keySize > 4)
    return (
      (bytes[at] as number) * 0x100_0000 +
      (((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number))
    )
  let head = 0
  for (let i = 0; i < 4; i++) head = head * 256 + (i + 1 < keySize ? (bytes[at + i] as number) : 0)
  return head
}

const hexDigits = Uint8Array.from('0123456789abcdef', (c) => c.charCodeAt(0))

/** What both index versions share: sorted entries of one size, searched in the file's own bytes (spec 02, 3.4). */
export abstract class IndexRows implements IndexFile {
  readonly #prefixStarts = new Map<number, number>()
  abstract readonly version: 1 | 2

  constructor(
    protected readonly bytes: Buffer,
    protected readonly blobName: string,
    readonly count: number,
    readonly keySize: number,
    /** Where entries start, and bytes per entry. */
    protected readonly start: number,
    protected readonly stride: number,
  ) {}

  abstract timestampAt(row: number): number
  abstract deletedAt(row: number): boolean
  abstract packAt(row: number): string
  abstract packedLengthAt(row: number): number
  abstract at(row: number): ContentInfo

  /** Offset of an entry. Throws CorruptIndexError when it lies outside the file. */
  protected entry(row: number): number {
    const offset = this.start + row * this.stride
    if (!(row >= 0 && row < this.count)) throw new RangeError(`row ${row} of an index with ${this.count} rows`)
    if (offset + this.stride > this.bytes.length) throw this.corrupt(offset, `entry ${row} lies outside the file`)
    return offset
  }

  protected corrupt(offset: number, what: string): CorruptIndexError {
    return new CorruptIndexError(this.blobName, offset, what)
  }

  get place(): RowPlace | undefined {
    const { bytes, start, stride, count } = this
    return start + count * stride <= bytes.length ? { bytes, start, stride } : undefined
  }

  findMany(keys: Uint8Array, rows: Int32Array): void {
    const { place, count, keySize } = this
    const native = place && nativeAddon()
    if (native) native.findRows(place.bytes, place.start, place.stride, count, keySize, keys, rows)
    else this.findManyTwin(keys, rows)
  }

  /** The same without the addon. */
  findManyTwin(keys: Uint8Array, rows: Int32Array): void {
    const { keySize } = this
    for (let i = 0, at = 0; at + keySize <= keys.length; i++, at += keySize) rows[i] = this.find(keys.subarray(at, at + keySize))
  }

  find(key: Uint8Array): number {
    if (key.length !== this.keySize)
      throw new InvalidContentIdError(
        `invalid content ID: its key has ${key.length} bytes where the index has ${this.keySize}. Use an ID of this repository.`,
      )
    // Keys of one prefix are hashes, spread evenly: the first probes are placed by proportion, which needs about five of them where
    // halving needs twenty. Files that are not like that fall back to halving.
    const prefix = key[0] as number
    let low = this.#firstOfPrefix(prefix)
    let high = this.#firstOfPrefix(prefix + 1)
    const target = hashHead(key, 0, this.keySize)
    let lowHead = 0
    let highHead = 2 ** 32
    for (let probes = 0; low < high; probes++) {
      const span = high - low
      const share = probes < maxProportionalProbes && highHead > lowHead ? (target - lowHead) / (highHead - lowHead) : 0.5
      const row = low + Math.min(span - 1, Math.max(0, Math.floor(share * span)))
      const offset = this.entry(row)
      const order = this.compareKey(offset, key)
      if (order === 0) return row
      if (order < 0) {
        low = row + 1
        lowHead = hashHead(this.bytes, offset, this.keySize)
      } else {
        high = row
        highHead = hashHead(this.bytes, offset, this.keySize)
      }
    }
    return -1
  }

  /** First row whose prefix byte is at least `prefix`; kept, as few prefixes are in use. */
  #firstOfPrefix(prefix: number): number {
    const known = this.#prefixStarts.get(prefix)
    if (known !== undefined) return known
    if (prefix === 0) return 0
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = low + ((high - low) >>> 1)
      if ((this.bytes[this.entry(middle)] as number) < prefix) low = middle + 1
      else high = middle
    }
    this.#prefixStarts.set(prefix, low)
    return low
  }

  lowerBound(text: string): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = low + ((high - low) >>> 1)
      if (this.compareText(this.entry(middle), text) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  keyAt(row: number): Uint8Array {
    const offset = this.entry(row)
    return this.bytes.subarray(offset, offset + this.keySize)
  }

  idAt(row: number): ContentId {
    const offset = this.entry(row)
    const hex = this.bytes.toString('hex', offset + 1, offset + this.keySize)
    const prefix = this.bytes[offset] as number
    return (prefix === 0 ? hex : String.fromCharCode(prefix) + hex) as ContentId
  }

  /** Order of the key at `offset` against `key`. Keys are hashes: nearly always decided within the first bytes. */
  private compareKey(offset: number, key: Uint8Array): number {
    const { bytes, keySize } = this
    for (let i = 0; i < keySize; i++) {
      const difference = (bytes[offset + i] as number) - (key[i] as number)
      if (difference !== 0) return difference
    }
    return 0
  }

  /** Order of the text form of the key at `offset` against `text`, without building it. */
  private compareText(offset: number, text: string): number {
    const { bytes, keySize } = this
    const prefix = bytes[offset] as number
    const skip = prefix === 0 ? 0 : 1
    const length = skip + 2 * (keySize - 1)
    for (let i = 0; i < length; i++) {
      if (i >= text.length) return 1
      let char = prefix
      if (i >= skip) {
        const digit = i - skip
        const byte = bytes[offset + 1 + (digit >> 1)] as number
        char = hexDigits[digit % 2 === 0 ? byte >> 4 : byte & 15] as number
      }
      const difference = char - text.charCodeAt(i)
      if (difference !== 0) return difference
    }
    return length < text.length ? -1 : 0
  }
}
