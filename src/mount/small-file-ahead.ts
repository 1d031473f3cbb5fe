import type { FileReader } from './file-reader.ts'
import type { StoredTable } from './stored-table.ts'

/** Files up to this size are read ahead. */
const smallBytes = 1 << 20
/** A reader may leave out this many files and still be taken to go through the directory. */
const maxSkipped = 4
/** Files asked for ahead of a reader, and how few may be left before the next are: many at a time come from storage in one answer. */
const aheadFiles = 24
const fewFiles = 12

/** Copying and searching programs read the files of a directory one after another: the next ones are loaded while they look at this one,
 *  so that each does not cost a wait for storage. */
export class SmallFileAhead {
  private readonly lastRow = new WeakMap<StoredTable, { row: number; aheadTo: number }>()

  constructor(private readonly reader: FileReader) {}

  /** The beginning of the file in that row was read. */
  visited(table: StoredTable, row: number): void {
    const last = this.lastRow.get(table)
    if (last === undefined) {
      this.lastRow.set(table, { row, aheadTo: row + 1 })
      return
    }
    const isForward = row > last.row && row <= last.row + 1 + maxSkipped
    if (!isForward) last.aheadTo = row + 1
    last.row = row
    if (!isForward || last.aheadTo > row + 1 + fewFiles) return
    const limit = Math.min(row + 1 + aheadFiles, table.rows.length)
    for (let next = Math.max(last.aheadTo, row + 1); next < limit; next++) {
      const target = table.target(next)
      const isSmall = target.kind === 'file' && target.objectId !== '' && target.sizeBytes <= smallBytes
      if (isSmall && !this.reader.aheadWhole(target.objectId, target.sizeBytes)) return
      last.aheadTo = next + 1
    }
  }
}
