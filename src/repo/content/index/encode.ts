import type { ContentInfo } from '../content-info.ts'
import { IndexBuildError } from './errors.ts'
import { headerSizeV1, valueSizeV1 } from './file-v1.ts'
import { formatRecordSize, headerSizeV2, maxPacksV2, minValueSizeV2, packRecordSize } from './file-v2.ts'

/** Rows of one file in key order, each decoded when asked for (twice: once for sizes, once to write). */
export interface RowSource {
  readonly count: number
  rowAt(index: number): ContentInfo
}

const maxLength = 1 << 28

/** Names of packs in order of first appearance, each once. */
class PackNames {
  readonly #numbers = new Map<string, number>()
  readonly lengths: number[] = []
  readonly offsets: number[] = []
  totalBytes = 0
  /** Neighbours in an index are often in the same pack. */
  #lastName: string | undefined
  #last = 0

  get count(): number {
    return this.lengths.length
  }

  add(name: string): number {
    if (name === this.#lastName) return this.#last
    const number = this.#numberOf(name)
    this.#lastName = name
    this.#last = number
    return number
  }

  #numberOf(name: string): number {
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    if (name.length > 255) throw new IndexBuildError(`pack name ${name.slice(0, 40)}… is longer than 255 bytes`)
    const number = this.lengths.length
    this.#numbers.set(name, number)
    this.lengths.push(name.length)
    this.offsets.push(this.totalBytes)
    this.totalBytes += name.length
    return number
  }

  write(out: Buffer, at: number): void {
    for (const name of this.#numbers.keys()) at += out.write(name, at, 'latin1')
  }
}

/** Index file of version 1 (spec 02, 3.1), followed by `suffix`. Throws IndexBuildError for records that it cannot hold. */
export function encodeV1(rows: RowSource, suffix: Uint8Array): Buffer {
  const packs = new PackNames()
  const keySize = keySizeOf(rows)
  for (let i = 0; i < rows.count; i++) {
    const row = rows.rowAt(i)
    checkRow(row, keySize)
    if (row.compressionHeader !== 0 || row.encryptionKeyId !== 0)
      throw new IndexBuildError(`index version 1 cannot hold content ${row.id}: it is compressed or has a key number. Use index version 2.`)
    if (row.packBlob === '') throw new IndexBuildError(`index version 1 cannot hold content ${row.id}: it has no pack`)
    if (row.packedLength > 0xffff_ffff || row.packOffset >= 2 ** 31 || row.timestampSeconds >= 2 ** 48) throw tooLarge(row)
    packs.add(row.packBlob)
  }
  const extra = headerSizeV1 + rows.count * (keySize + valueSizeV1)
  const out = allocate(extra + packs.totalBytes + suffix.length)
  out[0] = 1
  out[1] = keySize
  out.writeUInt16BE(valueSizeV1, 2)
  out.writeUInt32BE(rows.count, 4)
  for (let i = 0, at = headerSizeV1; i < rows.count; i++) {
    const row = rows.rowAt(i)
    at = writeKey(out, at, row)
    const pack = packs.add(row.packBlob)
    out.writeUIntBE(row.timestampSeconds, at, 6)
    out[at + 6] = row.formatVersion
    out[at + 7] = packs.lengths[pack] as number
    out.writeUInt32BE(extra + (packs.offsets[pack] as number), at + 8)
    out.writeUInt32BE(row.packOffset + (row.deleted ? 2 ** 31 : 0), at + 12)
    out.writeUInt32BE(row.packedLength, at + 16)
    at += valueSizeV1
  }
  packs.write(out, extra)
  out.set(suffix, extra + packs.totalBytes)
  return out
}

interface TablesV2 {
  readonly packs: PackNames
  readonly formats: Map<number, number>
  readonly valueSize: number
}

const formatKey = (row: ContentInfo): number => row.compressionHeader * 65_536 + row.formatVersion * 256 + row.encryptionKeyId

/** Index file of version 2 (spec 02, 3.2), followed by `suffix`. Throws IndexBuildError for records that it cannot hold. */
export function encodeV2(rows: RowSource, suffix: Uint8Array): Buffer {
  const keySize = keySizeOf(rows)
  const tables = collectV2(rows, keySize)
  const { packs, formats, valueSize } = tables
  const packTable = headerSizeV2 + rows.count * (keySize + valueSize)
  const formatTable = packTable + packs.count * packRecordSize
  const extra = formatTable + formats.size * formatRecordSize
  const out = allocate(extra + packs.totalBytes + suffix.length)
  out[0] = 2
  out[1] = keySize
  out.writeUInt16BE(valueSize, 2)
  out.writeUInt32BE(rows.count, 4)
  out.writeUInt32BE(packs.count, 8)
  out[12] = formats.size
  out.writeUInt32BE(0, 13)
  for (let i = 0, at = headerSizeV2; i < rows.count; i++) {
    const row = rows.rowAt(i)
    at = writeValueV2(out, writeKey(out, at, row), row, tables)
  }
  for (let i = 0, at = packTable; i < packs.count; i++, at += packRecordSize) {
    out[at] = packs.lengths[i] as number
    out.writeUInt32BE(extra + (packs.offsets[i] as number), at + 1)
  }
  let at = formatTable
  for (const format of formats.keys()) {
    out.writeUIntBE(format, at, 6)
    at += formatRecordSize
  }
  packs.write(out, extra)
  out.set(suffix, extra + packs.totalBytes)
  return out
}

function collectV2(rows: RowSource, keySize: number): TablesV2 {
  const packs = new PackNames()
  const formats = new Map<number, number>()
  let longest = 0
  for (let i = 0; i < rows.count; i++) {
    const row = rows.rowAt(i)
    checkRow(row, keySize)
    const length = Math.max(row.packedLength, row.originalLength)
    if (length >= maxLength || row.packOffset >= 2 ** 30 || row.timestampSeconds >= 2 ** 32) throw tooLarge(row)
    longest = Math.max(longest, length)
    packs.add(row.packBlob)
    const format = formatKey(row)
    if (!formats.has(format)) formats.set(format, formats.size)
  }
  if (formats.size > 255) throw new IndexBuildError(`${formats.size} formats of contents in one index, 255 are possible`)
  if (packs.count > maxPacksV2) throw new IndexBuildError(`${packs.count} packs in one index, ${maxPacksV2} are possible`)
  let valueSize = minValueSizeV2
  if (longest >= 1 << 24) valueSize = 19
  else if (packs.count > 65_536) valueSize = 18
  else if (formats.size > 1) valueSize = 17
  return { packs, formats, valueSize }
}

/** Writes the value of one entry and returns where the next entry starts. */
function writeValueV2(out: Buffer, at: number, row: ContentInfo, tables: TablesV2): number {
  const { valueSize } = tables
  const pack = tables.packs.add(row.packBlob)
  out.writeUInt32BE(row.timestampSeconds, at)
  out.writeUInt32BE(row.packOffset + (row.deleted ? 2 ** 31 : 0), at + 4)
  out.writeUInt32BE((((row.originalLength & 0xff_ffff) << 8) | ((row.packedLength >> 16) & 0xff)) >>> 0, at + 8)
  out.writeUInt32BE((((row.packedLength & 0xffff) << 16) | (pack & 0xffff)) >>> 0, at + 12)
  if (valueSize > 16) out[at + 16] = tables.formats.get(formatKey(row)) as number
  if (valueSize > 17) out[at + 17] = pack >> 16
  if (valueSize > 18) out[at + 18] = ((row.originalLength >> 24) << 4) | (row.packedLength >> 24)
  return at + valueSize
}

const keySizeOf = (rows: RowSource): number => 1 + (rows.rowAt(0).id.length >> 1)

function checkRow(row: ContentInfo, keySize: number): void {
  const size = 1 + (row.id.length >> 1)
  if (size !== keySize || size <= 1 || size > 254)
    throw new IndexBuildError(`content ${row.id} has a key of ${size} bytes where the index has ${keySize}`)
  if (!(isCount(row.packOffset) && isCount(row.packedLength) && isCount(row.originalLength) && isCount(row.timestampSeconds)))
    throw tooLarge(row)
  if (!(row.formatVersion >= 0 && row.formatVersion <= 255) || !(row.encryptionKeyId >= 0 && row.encryptionKeyId <= 255))
    throw tooLarge(row)
}

const isCount = (value: number): boolean => value >= 0 && Number.isSafeInteger(value)

const tooLarge = (row: ContentInfo): IndexBuildError =>
  new IndexBuildError(`content ${row.id} cannot be indexed: a length, offset, time or version is beyond what the index version holds`)

/** Writes the binary key of a row and returns where its value starts. */
function writeKey(out: Buffer, at: number, row: ContentInfo): number {
  const prefixed = row.id.length % 2 === 1
  out[at] = prefixed ? row.id.charCodeAt(0) : 0
  return at + 1 + out.write(prefixed ? row.id.slice(1) : row.id, at + 1, 'hex')
}

function allocate(sizeBytes: number): Buffer {
  if (sizeBytes > 0xffff_ffff) throw new IndexBuildError('the index would be larger than 4 GiB')
  return Buffer.allocUnsafe(sizeBytes)
}
