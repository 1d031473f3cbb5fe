import type { ContentInfo } from '../content-info.ts'
import { CorruptIndexError } from './errors.ts'
import type { RowPlace } from './index-file.ts'
import { IndexRows, invalidPackName } from './rows.ts'

/** Sizes of version 1 (spec 02, 3.1). */
export const headerSizeV1 = 8
export const valueSizeV1 = 20
/** Key size that marks an index without entries. */
export const emptyKeySizeV1 = 0xff

const maxNamesHeld = 1 << 20
const deletedFlag = 0x8000_0000

/** Index file version 1 (spec 02, 3.1). The original length is not stored: it is the packed length less the overhead. */
export class IndexFileV1 extends IndexRows {
  readonly version = 1
  readonly #valueSize: number
  readonly #names = new Map<number, string>()

  /** Throws CorruptIndexError when the header is cut or the key size is impossible. */
  constructor(
    bytes: Buffer,
    readonly encryptorOverheadBytes: number,
    blobName: string,
  ) {
    if (bytes.length < headerSizeV1) throw new CorruptIndexError(blobName, bytes.length, 'the header is cut')
    const keySize = bytes.readUInt8(1)
    if (keySize <= 1) throw new CorruptIndexError(blobName, 1, `key size ${keySize}`)
    super(bytes, blobName, bytes.readUInt32BE(4), keySize, headerSizeV1, keySize + valueSizeV1)
    this.#valueSize = bytes.readUInt16BE(2)
  }

  protected override entry(row: number): number {
    if (this.#valueSize !== valueSizeV1) throw this.corrupt(2, `value size ${this.#valueSize} where version 1 has ${valueSizeV1}`)
    return super.entry(row)
  }

  override get place(): RowPlace | undefined {
    return this.#valueSize === valueSizeV1 && this.keySize !== emptyKeySizeV1 ? super.place : undefined
  }

  override find(key: Uint8Array): number {
    return this.keySize === emptyKeySizeV1 ? -1 : super.find(key)
  }

  timestampAt(row: number): number {
    return this.bytes.readUIntBE(this.entry(row) + this.keySize, 6)
  }

  deletedAt(row: number): boolean {
    return (this.bytes[this.entry(row) + this.keySize + 12] as number) >= 0x80
  }

  packAt(row: number): string {
    const value = this.entry(row) + this.keySize
    const length = this.bytes[value + 7] as number
    const offset = this.bytes.readUInt32BE(value + 8)
    const place = offset * 256 + length
    let name = this.#names.get(place)
    if (name === undefined) {
      name = offset + length > this.bytes.length ? invalidPackName : this.bytes.toString('latin1', offset, offset + length)
      // Rows may all point at other bytes, which makes no sense; honest files name few packs.
      if (this.#names.size >= maxNamesHeld) this.#names.clear()
      this.#names.set(place, name)
    }
    return name
  }

  packedLengthAt(row: number): number {
    return this.bytes.readUInt32BE(this.entry(row) + this.keySize + 16)
  }

  at(row: number): ContentInfo {
    const value = this.entry(row) + this.keySize
    const flagsAndOffset = this.bytes.readUInt32BE(value + 12)
    const packedLength = this.bytes.readUInt32BE(value + 16)
    return {
      id: this.idAt(row),
      packBlob: this.packAt(row),
      packOffset: flagsAndOffset % deletedFlag,
      packedLength,
      originalLength: Math.max(0, packedLength - this.encryptorOverheadBytes),
      timestampSeconds: this.bytes.readUIntBE(value, 6),
      deleted: flagsAndOffset >= deletedFlag,
      compressionHeader: 0,
      formatVersion: this.bytes[value + 6] as number,
      encryptionKeyId: 0,
    }
  }
}
