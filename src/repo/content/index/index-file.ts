import type { ContentId } from '../content-id.ts'
import type { ContentInfo } from '../content-info.ts'

/** Rows of one size in the bytes of a file. */
export interface RowPlace {
  readonly bytes: Buffer
  readonly start: number
  readonly stride: number
}

/** A parsed index file (version 1 or 2) over its own decrypted bytes; rows are decoded only when asked for (spec 02, section 3). */
export interface IndexFile {
  readonly version: 1 | 2
  readonly count: number
  /** Bytes of a key: hash size + 1. */
  readonly keySize: number
  /** Row of a binary key (contentKey) or -1. */
  find(key: Uint8Array): number
  /** find() for keys that lie one after another: `rows` receives the row of each, or -1. */
  findMany(keys: Uint8Array, rows: Int32Array): void
  /** Where all rows lie; undefined when the file has some that lie outside of it, or cannot be read. */
  readonly place: RowPlace | undefined
  /** First row whose text ID is >= `text`; `count` if none. */
  lowerBound(text: string): number
  /** Binary key of a row, a view into the file. */
  keyAt(row: number): Uint8Array
  idAt(row: number): ContentId
  timestampAt(row: number): number
  deletedAt(row: number): boolean
  packAt(row: number): string
  packedLengthAt(row: number): number
  at(row: number): ContentInfo
}
