import { type ContentId, InvalidContentIdError } from '../content-id.ts'
import type { ContentInfo, IdRange } from '../store.ts'
import { allIds } from '../store.ts'
import { buildIndexFromFiles } from './build.ts'
import { IndexBuildError } from './errors.ts'
import { FileTable, maxTableFiles, maxTableRows, minTableKeySize } from './file-table.ts'
import type { IndexFile } from './index-file.ts'
import { MergeCursor, rowBeats } from './merge.ts'
import { parseIndex } from './parse.ts'

/** Files with fewer rows are merged into one when a set is made (spec 02, section 9). */
export const smallIndexRows = 100

/** Fewer files than this are searched one by one. */
const filesBeforeTable = 4

/** The committed contents of a repository: all active index files seen as one. Immutable; nothing is kept per row.
 *  Records that are deleted no later than the watermark are absent (spec 02, 6.1). */
export class IndexSet {
  readonly #files: readonly IndexFile[]
  /** Rows over all files; a content with several records counts more than once. */
  readonly count: number
  #scratch = Buffer.alloc(0)
  /** Files searched so far. Once they are an eighth of the rows, a table costs about as much as the searches before it. */
  #searches = 0
  #table: FileTable | undefined
  readonly #candidates: number[] = []

  /** `watermarkSeconds`: deletion watermark in unix seconds, or undefined. Throws CorruptIndexError. */
  constructor(
    files: readonly IndexFile[],
    readonly watermarkSeconds: number | undefined,
  ) {
    this.#files = mergeSmall(files.filter((file) => file.count > 0)).sort((a, b) => b.count - a.count)
    this.count = this.#files.reduce((sum, file) => sum + file.count, 0)
  }

  /** Files that a look-up touches. */
  get fileCount(): number {
    return this.#files.length
  }

  /** Newest record of a content, deleted ones above the watermark included. Throws InvalidContentIdError when the ID has another length
   *  than those of the indexes. */
  find(id: ContentId): ContentInfo | undefined {
    const key = this.#keyOf(id)
    let best: IndexFile | undefined
    let bestRow = -1
    const chosen = this.#chooseFiles(key)
    const count = chosen ?? this.#files.length
    for (let i = 0; i < count; i++) {
      const file = this.#files[chosen === undefined ? i : (this.#candidates[i] as number)] as IndexFile
      const row = file.find(key)
      if (row >= 0 && (best === undefined || rowBeats(file, row, best, bestRow))) {
        best = file
        bestRow = row
      }
    }
    return best === undefined || this.#isHidden(best, bestRow) ? undefined : best.at(bestRow)
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

  /** Fills #candidates with the files to search and returns their number; undefined = all files. */
  #chooseFiles(key: Uint8Array): number | undefined {
    if (this.#table === undefined && this.#searches >= 0) {
      this.#searches += this.#files.length
      if (this.#searches * 8 > this.count) {
        this.#table = this.#makeTable()
        this.#searches = -1
      }
    }
    return this.#table && key.length === this.#files[0]?.keySize ? this.#table.candidates(key, this.#candidates) : undefined
  }

  #makeTable(): FileTable | undefined {
    const files = this.#files
    const keySize = files[0]?.keySize ?? 0
    if (files.length < filesBeforeTable || files.length > maxTableFiles || this.count > maxTableRows) return undefined
    return keySize >= minTableKeySize && files.every((file) => file.keySize === keySize) ? new FileTable(files) : undefined
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

function mergeSmall(files: readonly IndexFile[]): IndexFile[] {
  const kept: IndexFile[] = []
  const small = new Map<number, IndexFile[]>()
  for (const file of files) {
    if (file.count >= smallIndexRows) {
      kept.push(file)
      continue
    }
    const group = small.get(file.keySize)
    if (group) group.push(file)
    else small.set(file.keySize, [file])
  }
  for (const group of small.values()) kept.push(...(group.length === 1 ? group : mergeGroup(group)))
  return kept
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
