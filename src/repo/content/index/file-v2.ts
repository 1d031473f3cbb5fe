import type { ContentInfo } from '../content-info.ts'
import { CorruptIndexError } from './errors.ts'
import { IndexRows, invalidPackName } from './rows.ts'

/** Sizes of version 2 (spec 02, 3.2). */
export const headerSizeV2 = 17
export const packRecordSize = 5
export const formatRecordSize = 6
export const minValueSizeV2 = 16
export const maxValueSizeV2 = 19
/** Rows number their packs in 24 bits. */
export const maxPacksV2 = 1 << 24

const deletedFlag = 0x8000_0000

interface RowFormat {
  readonly compressionHeader: number
  readonly formatVersion: number
  readonly encryptionKeyId: number
}

/** Stands for a format number that the file does not define (spec 02, 3.3). */
const unknownFormat: RowFormat = { compressionHeader: 0xffff, formatVersion: 0xff, encryptionKeyId: 0xff }

/** Index file version 2 (spec 02, 3.2). */
export class IndexFileV2 extends IndexRows {
  readonly version = 2
  readonly #valueSize: number
  readonly #packs: number
  readonly #packCount: number
  readonly #baseSeconds: number
  readonly #formats: readonly RowFormat[]
  #names: (string | undefined)[] | undefined

  /** Throws CorruptIndexError when header, entries, tables or a pack name leave the file. */
  constructor(bytes: Buffer, blobName: string) {
    if (bytes.length < headerSizeV2) throw new CorruptIndexError(blobName, bytes.length, 'the header is cut')
    const keySize = bytes.readUInt8(1)
    const valueSize = bytes.readUInt16BE(2)
    if (keySize <= 1) throw new CorruptIndexError(blobName, 1, `key size ${keySize}`)
    if (valueSize < minValueSizeV2 || valueSize > maxValueSizeV2) throw new CorruptIndexError(blobName, 2, `value size ${valueSize}`)
    if (keySize + valueSize > 256) throw new CorruptIndexError(blobName, 2, `entry size ${keySize + valueSize}`)
    super(bytes, blobName, bytes.readUInt32BE(4), keySize, headerSizeV2, keySize + valueSize)
    this.#valueSize = valueSize
    this.#packCount = bytes.readUInt32BE(8)
    if (this.#packCount > maxPacksV2) throw this.corrupt(8, `${this.#packCount} packs where rows can tell ${maxPacksV2} apart`)
    this.#baseSeconds = bytes.readUInt32BE(13)
    this.#packs = this.start + this.count * this.stride
    const formats = this.#packs + this.#packCount * packRecordSize
    const formatCount = bytes.readUInt8(12)
    if (formats + formatCount * formatRecordSize > bytes.length)
      throw this.corrupt(
        bytes.length,
        `the file ends before its ${this.count} entries, ${this.#packCount} packs and ${formatCount} formats`,
      )
    this.#checkPackNames()
    this.#formats = Array.from({ length: formatCount }, (_, i) => readFormat(bytes, formats + i * formatRecordSize))
  }

  #checkPackNames(): void {
    for (let i = 0, at = this.#packs; i < this.#packCount; i++, at += packRecordSize)
      if (this.bytes.readUInt32BE(at + 1) + (this.bytes[at] as number) > this.bytes.length)
        throw this.corrupt(at, `the name of pack ${i} lies outside the file`)
  }

  timestampAt(row: number): number {
    return this.#baseSeconds + this.bytes.readUInt32BE(this.entry(row) + this.keySize)
  }

  deletedAt(row: number): boolean {
    return (this.bytes[this.entry(row) + this.keySize + 4] as number) >= 0x80
  }

  packAt(row: number): string {
    return this.#packOf(this.entry(row) + this.keySize)
  }

  packedLengthAt(row: number): number {
    const value = this.entry(row) + this.keySize
    const high = this.#valueSize > 18 ? (this.bytes[value + 18] as number) : 0
    return this.bytes.readUIntBE(value + 11, 3) + (high & 15) * 0x100_0000
  }

  #packOf(value: number): string {
    let number = this.bytes.readUInt16BE(value + 14)
    if (this.#valueSize > 17) number += (this.bytes[value + 17] as number) * 65_536
    if (number >= this.#packCount) return invalidPackName
    this.#names ??= new Array<string | undefined>(this.#packCount).fill(undefined)
    return (this.#names[number] ??= this.#readName(number))
  }

  #readName(number: number): string {
    const record = this.#packs + number * packRecordSize
    const offset = this.bytes.readUInt32BE(record + 1)
    return this.bytes.toString('latin1', offset, offset + (this.bytes[record] as number))
  }

  at(row: number): ContentInfo {
    const { bytes } = this
    const valueSize = this.#valueSize
    const value = this.entry(row) + this.keySize
    const flagsAndOffset = bytes.readUInt32BE(value + 4)
    const high = valueSize > 18 ? (bytes[value + 18] as number) : 0
    const format = this.#formats[valueSize > 16 ? (bytes[value + 16] as number) : 0] ?? unknownFormat
    return {
      id: this.idAt(row),
      packBlob: this.#packOf(value),
      packOffset: flagsAndOffset % deletedFlag,
      packedLength: bytes.readUIntBE(value + 11, 3) + (high & 15) * 0x100_0000,
      originalLength: bytes.readUIntBE(value + 8, 3) + (high >> 4) * 0x100_0000,
      timestampSeconds: this.#baseSeconds + bytes.readUInt32BE(value),
      deleted: flagsAndOffset >= deletedFlag,
      compressionHeader: format.compressionHeader,
      formatVersion: format.formatVersion,
      encryptionKeyId: format.encryptionKeyId,
    }
  }
}

const readFormat = (bytes: Buffer, at: number): RowFormat => ({
  compressionHeader: bytes.readUInt32BE(at),
  formatVersion: bytes.readUInt8(at + 4),
  encryptionKeyId: bytes.readUInt8(at + 5),
})
