import { nativeAddon } from '#base/native.ts'
import { type ContentId, InvalidContentIdError } from '../content-id.ts'
import type { ContentInfo, IdRange } from '../content-info.ts'
import { allIds } from '../content-info.ts'
import { buildIndexFromFiles } from './build.ts'
import { IndexBuildError } from './errors.ts'
import { FileTable } from './file-table.ts'
import type { IndexFile } from './index-file.ts'
import { MergeCursor, rowBeats } from './merge.ts'
import { parseIndex } from './parse.ts'

/** Files with fewer rows are merged into one when a set is made (spec 02, section 9). */
export const smallIndexRows = 100

/** Fewer files than this are searched one by one. */
const filesBeforeTable = 4

/** Each key is looked for in all files when they are no more than these: that takes no longer than asking a table of one of JavaScript. */
const filesSearchedTogether = 16

/** Fewer IDs than this are looked up one by one. */
const fewestAtOnce = 4

/** The committed contents of a repository: all active index files seen as one. Immutable; nothing is kept per row.
 *  Records that are deleted no later than the watermark are absent (spec 02, 6.1). */
export class IndexSet {
  readonly #files: readonly IndexFile[]
  /** Rows over all files; a content with several records counts more than once. */
  readonly count: number
  #scratch = Buffer.alloc(0)
  /** Files searched so far without a table. Once they are an eighth of the rows (with the addon: a 32nd), making one costs about as much as
   *  these searches did. */
  #searches = 0
  #table: FileTable | undefined
  /** Files that the table does not know. */
  #loose: readonly IndexFile[]
  /** Files that the next set will have merged with others; no table is made for them. */
  readonly #small: readonly IndexFile[]
  readonly #candidates: number[] = []
  /** Where the last search ended. */
  #foundFile: IndexFile | undefined
  #foundRow = -1
  /** Number of the first row of each file, once slots are asked for. */
  #bases: Map<IndexFile, number> | undefined

  /** `watermarkSeconds`: deletion watermark in unix seconds, or undefined. `previous`: the set that this one replaces; its table is taken
   *  over when all its files are still there, which leaves nothing to the older set but slow look-ups. Throws CorruptIndexError. */
  constructor(
    files: readonly IndexFile[],
    readonly watermarkSeconds: number | undefined,
    previous?: IndexSet,
  ) {
    const { large, small } = mergeSmall(files.filter((file) => file.count > 0))
    this.#small = small
    this.#files = [...large, ...small].sort((a, b) => b.count - a.count)
    this.count = this.#files.reduce((sum, file) => sum + file.count, 0)
    this.#loose = this.#files
    if (previous) this.#takeOver(previous)
  }

  /** Files that a look-up touches. */
  get fileCount(): number {
    return this.#files.length
  }

  /** Newest record of a content, deleted ones above the watermark included. Throws InvalidContentIdError when the ID has another length
   *  than those of the indexes. */
  find(id: ContentId): ContentInfo | undefined {
    this.#search(id)
    return this.#foundFile?.at(this.#foundRow)
  }

  /** find() for many IDs. */
  findMany(ids: readonly ContentId[]): (ContentInfo | undefined)[] {
    const first = ids[0]
    if (first === undefined || ids.length < fewestAtOnce) return ids.map((id) => this.find(id))
    const keySize = this.#keyOf(first).length
    const fits = ids.every((id) => id.length >> 1 === keySize - 1) && this.#files.every((file) => file.keySize === keySize)
    // A table leads to the one file that has a content, which leaves less to search than a batch would.
    if (!fits || this.#tableFor(this.#scratch, ids.length)) return ids.map((id) => this.find(id))
    const keys = Buffer.allocUnsafe(keySize * ids.length)
    for (let i = 0; i < ids.length; i++) keys.set(this.#keyOf(ids[i] as ContentId), i * keySize)
    const { files, rows } = this.#newest(keys, ids.length)
    return files.map((file, i) => file?.at(rows[i] as number))
  }

  /** Packs of many contents by their binary keys, which lie one after another: '' for those that are not there or deleted. Undefined where
   *  looking up each by itself is better. */
  packsOf(keys: Uint8Array, keySize: number): string[] | undefined {
    if (this.#files.length > filesSearchedTogether || !this.#files.every((file) => file.keySize === keySize)) return undefined
    const { files, rows } = this.#newest(keys, keys.length / keySize)
    return files.map((file, i) => (file === undefined || file.deletedAt(rows[i] as number) ? '' : file.packAt(rows[i] as number)))
  }

  /** File and row of the newest record of each key; no file when there is none. */
  #newest(keys: Uint8Array, count: number): { readonly files: (IndexFile | undefined)[]; readonly rows: Int32Array } {
    const best = new Array<IndexFile | undefined>(count).fill(undefined)
    const bestRows = new Int32Array(count)
    const rows = new Int32Array(count)
    // From the last file to the first, as a single search goes: of equal records the same one wins.
    for (let f = this.#files.length - 1; f >= 0; f--) {
      const file = this.#files[f] as IndexFile
      file.findMany(keys, rows)
      for (let i = 0; i < count; i++) {
        const row = rows[i] as number
        const other = best[i]
        if (row < 0 || (other !== undefined && !rowBeats(file, row, other, bestRows[i] as number))) continue
        best[i] = file
        bestRows[i] = row
      }
    }
    if (this.watermarkSeconds !== undefined)
      for (let i = 0; i < count; i++) if (best[i] && this.#isHidden(best[i] as IndexFile, bestRows[i] as number)) best[i] = undefined
    return { files: best, rows: bestRows }
  }

  /** Number of the row that holds the newest record of a content, from 0 up to `count`; -1 when there is none. Sets of contents are kept as
   *  one bit per row. Throws as find does. */
  slotOf(id: ContentId): number {
    this.#search(id)
    return this.#foundFile === undefined ? -1 : this.#baseOf(this.#foundFile) + this.#foundRow
  }

  /** The winning record of every content in key order, deleted ones above the watermark included. The object given is the same each time:
   *  nothing is made per record. Of two records that are the same in all that counts either may be given: ask slotOf before concluding that
   *  one is not in a set of slots. */
  *winners(): Generator<{ readonly slot: number; readonly file: IndexFile; readonly row: number }, void, undefined> {
    const cursor = new MergeCursor(this.#files)
    if (!cursor.next()) return
    const at = { slot: 0, file: cursor.file, row: 0 }
    do {
      at.file = cursor.file
      at.row = cursor.row
      if (this.#isHidden(at.file, at.row)) continue
      at.slot = this.#baseOf(at.file) + at.row
      yield at
    } while (cursor.next())
  }

  #baseOf(file: IndexFile): number {
    if (!this.#bases) {
      this.#bases = new Map()
      let base = 0
      for (const each of this.#files) {
        this.#bases.set(each, base)
        base += each.count
      }
    }
    return this.#bases.get(file) as number
  }

  /** Leaves the place of the newest record in #foundFile and #foundRow. */
  #search(id: ContentId): void {
    const key = this.#keyOf(id)
    const table = this.#tableFor(key)
    const chosen = table === undefined ? 0 : table.candidates(key, this.#candidates)
    const others = table === undefined ? this.#files : this.#loose
    let best: IndexFile | undefined
    let bestRow = -1
    for (let i = chosen + others.length - 1; i >= 0; i--) {
      const file = (i < chosen ? table?.members[this.#candidates[i] as number] : others[i - chosen]) as IndexFile
      const row = file.find(key)
      if (row >= 0 && (best === undefined || rowBeats(file, row, best, bestRow))) {
        best = file
        bestRow = row
      }
    }
    this.#foundFile = best === undefined || this.#isHidden(best, bestRow) ? undefined : best
    this.#foundRow = bestRow
  }

  /** Winning records of a range in key order. */
  *iterate(range: IdRange = allIds, includeDeleted = false): Generator<ContentInfo, void, undefined> {
    const cursor = new MergeCursor(this.#files, range)
    while (cursor.next()) {
      const { file, row } = cursor
      if (file.deletedAt(row) && (!includeDeleted || this.#isHidden(file, row))) continue
      yield file.at(row)
    }
  }

  /** Packs named by any winning record, deleted ones above the watermark included (spec 02, 7.3). */
  packNames(): Set<string> {
    const names = new Set<string>()
    const cursor = new MergeCursor(this.#files)
    while (cursor.next()) if (!this.#isHidden(cursor.file, cursor.row)) names.add(cursor.file.packAt(cursor.row))
    return names
  }

  /** The table, if there is one or it is time to make one. */
  #tableFor(key: Uint8Array, searches = 1): FileTable | undefined {
    if (this.#searches >= 0 && this.#loose.length >= filesBeforeTable) {
      this.#searches += this.#loose.length * searches
      if (this.#searches * (nativeAddon() ? 32 : 8) > this.count) {
        for (const { place } of this.#files) if (place) nativeAddon()?.forgetPages(place.bytes)
        this.#searches = -1
        this.#use(FileTable.of(this.#files.filter((file) => !this.#small.includes(file))))
      }
    }
    return key.length === this.#table?.members[0]?.keySize ? this.#table : undefined
  }

  #takeOver(previous: IndexSet): void {
    const table = previous.#table
    if (!table) return
    const mine = new Set(this.#files)
    if (!table.members.every((file) => mine.has(file))) return
    previous.#use(undefined)
    this.#use(table)
    if (this.#loose.length < filesBeforeTable) return
    for (const file of this.#loose) if (!this.#small.includes(file)) table.add(file)
    this.#use(table)
  }

  #use(table: FileTable | undefined): void {
    this.#table = table
    const known = new Set(table?.members)
    this.#loose = this.#files.filter((file) => !known.has(file))
  }

  #isHidden(file: IndexFile, row: number): boolean {
    return this.watermarkSeconds !== undefined && file.deletedAt(row) && file.timestampAt(row) <= this.watermarkSeconds
  }

  /** Binary key in a buffer that the next call reuses. */
  #keyOf(id: ContentId): Uint8Array {
    const size = 1 + (id.length >> 1)
    if (this.#scratch.length !== size) this.#scratch = Buffer.alloc(size)
    const key = this.#scratch
    const prefixed = id.length % 2 === 1
    key[0] = prefixed ? id.charCodeAt(0) : 0
    if (key.write(prefixed ? id.slice(1) : id, 1, 'hex') !== size - 1)
      throw new InvalidContentIdError(`"${id}" is not a content ID. Content IDs are hexadecimal.`)
    return key
  }
}

interface Sorted {
  readonly large: readonly IndexFile[]
  /** One per key size, if all goes well. */
  readonly small: readonly IndexFile[]
}

function mergeSmall(files: readonly IndexFile[]): Sorted {
  const groups = new Map<number, IndexFile[]>()
  for (const file of files) {
    if (file.count >= smallIndexRows) continue
    const group = groups.get(file.keySize)
    if (group) group.push(file)
    else groups.set(file.keySize, [file])
  }
  return {
    large: files.filter((file) => file.count >= smallIndexRows),
    small: [...groups.values()].flatMap((group) => (group.length === 1 ? group : mergeGroup(group))),
  }
}

function mergeGroup(group: readonly IndexFile[]): readonly IndexFile[] {
  try {
    return buildIndexFromFiles(group, 2).map((bytes) => parseIndex(bytes, 0))
  } catch (error) {
    // Records of version 1 may be beyond the limits of version 2: then the files stay as they are.
    if (error instanceof IndexBuildError) return group
    throw error
  }
}
