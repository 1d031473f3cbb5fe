import { randomBytes } from 'node:crypto'
import type { ContentInfo } from '../content-info.ts'
import { encodeV1, encodeV2, type RowSource } from './encode.ts'
import type { IndexFile } from './index-file.ts'
import { MergeCursor } from './merge.ts'

/** Most records in one index file (spec 02, 3.5). */
export const maxRowsPerShard = 16_000_000
export const randomSuffixBytes = 32

export interface BuildOptions {
  /** Appends 32 random bytes: pack recovery indexes and V0 compaction outputs only (spec 02, 3.5). */
  readonly randomSuffix?: boolean
  readonly random?: (sizeBytes: number) => Uint8Array
  readonly maxRowsPerShard?: number
}

/** Index files of the given records, which are already merged (one per ID) and may come in any order: one file, or one per shard
 *  when there are more than 16 million; none for no records. Throws IndexBuildError for records that the version cannot hold.
 *  Source: spec 02, 3.1, 3.2 and 3.5. */
export function buildIndex(rows: Iterable<ContentInfo>, version: 1 | 2, options: BuildOptions = {}): Buffer[] {
  const sorted = sortById(Array.from(rows))
  return buildShards({ count: sorted.length, rowAt: (i) => sorted[i] as ContentInfo }, version, options)
}

/** Rows are sorted by numbers that hold the first digits of the ID and the place of the row; only the few with the same digits compare texts. */
const keyDigits = 6
const maxSortedRows = 2 ** 21

function sortById(rows: ContentInfo[]): ContentInfo[] {
  const byId = (a: ContentInfo, b: ContentInfo) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
  if (rows.length >= maxSortedRows || rows.some(({ id }) => id.length <= keyDigits)) return rows.sort(byId)
  const keys = new Float64Array(rows.length)
  // IDs are digits and lower-case letters, whose order is that of numbers to the base 36.
  for (let i = 0; i < rows.length; i++) keys[i] = Number.parseInt((rows[i] as ContentInfo).id.slice(0, keyDigits), 36) * maxSortedRows + i
  keys.sort()
  const sorted = Array.from(keys, (key) => rows[key % maxSortedRows] as ContentInfo)
  for (let start = 0, end = 1; start < sorted.length; start = end++) {
    const digits = Math.floor((keys[start] as number) / maxSortedRows)
    while (end < sorted.length && Math.floor((keys[end] as number) / maxSortedRows) === digits) end++
    if (end - start > 1) for (const [i, row] of sorted.slice(start, end).sort(byId).entries()) sorted[start + i] = row
  }
  return sorted
}

/** Index files of the winners of many index files; rows for which `keep` says false are left out, after merging. Holds eight bytes
 *  per record besides its input and output. Throws IndexBuildError, CorruptIndexError. Source: spec 02, 4.3.7 and section 5. */
export function buildIndexFromFiles(
  files: readonly IndexFile[],
  version: 1 | 2,
  keep?: (row: ContentInfo) => boolean,
  options: BuildOptions = {},
): Buffer[] {
  const places = new RowList()
  const positions = new Map(files.map((file, i) => [file, i]))
  const cursor = new MergeCursor(files)
  while (cursor.next()) {
    if (keep && !keep(cursor.file.at(cursor.row))) continue
    places.push(positions.get(cursor.file) as number, cursor.row)
  }
  const rowAt = (i: number): ContentInfo => (files[places.fileAt(i)] as IndexFile).at(places.rowAt(i))
  return buildShards({ count: places.count, rowAt }, version, options)
}

function buildShards(rows: RowSource, version: 1 | 2, options: BuildOptions): Buffer[] {
  const encode = version === 1 ? encodeV1 : encodeV2
  const random = options.random ?? randomBytes
  const suffix = (): Uint8Array => (options.randomSuffix ? random(randomSuffixBytes) : new Uint8Array(0))
  return shardsOf(rows, options.maxRowsPerShard ?? maxRowsPerShard).map((shard) => encode(shard, suffix()))
}

function shardsOf(rows: RowSource, limit: number): RowSource[] {
  if (rows.count === 0) return []
  const count = Math.ceil(rows.count / limit)
  if (count === 1) return [rows]
  const shardOf = new Uint16Array(rows.count)
  const sizes = new Array<number>(count).fill(0)
  for (let i = 0; i < rows.count; i++) {
    const shard = fnv1a32(rows.rowAt(i).id) % count
    shardOf[i] = shard
    sizes[shard] = (sizes[shard] as number) + 1
  }
  const members = sizes.map((size) => new Uint32Array(size))
  const used = new Array<number>(count).fill(0)
  for (let i = 0; i < rows.count; i++) {
    const shard = shardOf[i] as number
    const at = used[shard] as number
    used[shard] = at + 1
    ;(members[shard] as Uint32Array)[at] = i
  }
  return members.filter((list) => list.length > 0).map((list) => ({ count: list.length, rowAt: (i) => rows.rowAt(list[i] as number) }))
}

/** FNV-1a, 32 bits, of an ASCII text (spec 02, 3.5). */
export function fnv1a32(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** Growing list of (file, row) pairs. */
class RowList {
  #files = new Uint32Array(1024)
  #rows = new Uint32Array(1024)
  count = 0

  push(file: number, row: number): void {
    if (this.count === this.#rows.length) {
      this.#files = grown(this.#files)
      this.#rows = grown(this.#rows)
    }
    this.#files[this.count] = file
    this.#rows[this.count++] = row
  }

  fileAt(index: number): number {
    return this.#files[index] as number
  }

  rowAt(index: number): number {
    return this.#rows[index] as number
  }
}

function grown(list: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(list.length * 2)
  larger.set(list)
  return larger
}
