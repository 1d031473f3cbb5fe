import type { ContentInfo, IdRange } from '../content-info.ts'
import type { IndexFile } from './index-file.ts'

/** Whether record `a` replaces record `b` of the same content: newer, then not deleted, then the greater pack name. Complete ties
 *  keep the record seen first (false). Source: spec 02, section 5. */
export function beats(
  a: Pick<ContentInfo, 'timestampSeconds' | 'deleted' | 'packBlob'>,
  b: Pick<ContentInfo, 'timestampSeconds' | 'deleted' | 'packBlob'>,
): boolean {
  if (a.timestampSeconds !== b.timestampSeconds) return a.timestampSeconds > b.timestampSeconds
  if (a.deleted !== b.deleted) return b.deleted
  return a.packBlob > b.packBlob
}

/** `beats` on rows of index files, decoding no more than it must. */
export function rowBeats(a: IndexFile, rowA: number, b: IndexFile, rowB: number): boolean {
  const time = a.timestampAt(rowA) - b.timestampAt(rowB)
  if (time !== 0) return time > 0
  const deletedA = a.deletedAt(rowA)
  if (deletedA !== b.deletedAt(rowB)) return !deletedA
  return a.packAt(rowA) > b.packAt(rowB)
}

interface Lane {
  readonly file: IndexFile
  /** Position among the files: equal records keep the first file's. */
  readonly position: number
  readonly end: number
  row: number
  key: Uint8Array
  /** First six bytes of the key as a number: decides nearly all comparisons. */
  head: number
}

/** Walks the winners of many sorted index files in key order without keeping an object per row: after `next()` gave true,
 *  `file` and `row` say where the winning record is. */
export class MergeCursor {
  readonly #heap: Lane[] = []
  #file: IndexFile | undefined
  row = 0

  constructor(files: readonly IndexFile[], range?: IdRange) {
    for (const [position, file] of files.entries()) {
      if (file.count === 0) continue
      const row = range && range.start !== '' ? file.lowerBound(range.start) : 0
      const end = range && range.end !== '{' ? file.lowerBound(range.end) : file.count
      if (row >= end) continue
      const lane: Lane = { file, position, end, row, key: noKey, head: 0 }
      load(lane)
      this.#heap.push(lane)
    }
    for (let i = (this.#heap.length >> 1) - 1; i >= 0; i--) this.#sink(i)
  }

  get file(): IndexFile {
    if (this.#file === undefined) throw new RangeError('the merge has no current row')
    return this.#file
  }

  next(): boolean {
    const heap = this.#heap
    const first = heap[0]
    if (first === undefined) return false
    const { key, head } = first
    let file = first.file
    let row = first.row
    this.#advance(first)
    for (let top = heap[0]; top !== undefined && top.head === head && Buffer.compare(top.key, key) === 0; top = heap[0]) {
      if (rowBeats(top.file, top.row, file, row)) {
        file = top.file
        row = top.row
      }
      this.#advance(top)
    }
    this.#file = file
    this.row = row
    return true
  }

  #advance(top: Lane): void {
    top.row++
    if (top.row < top.end) {
      load(top)
    } else {
      const last = this.#heap.pop() as Lane
      if (last === top) return
      this.#heap[0] = last
    }
    this.#sink(0)
  }

  #sink(at: number): void {
    const heap = this.#heap
    const lane = heap[at] as Lane
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Lane, heap[child] as Lane)) child++
      if (!isBefore(heap[child] as Lane, lane)) break
      heap[at] = heap[child] as Lane
      at = child
    }
    heap[at] = lane
  }
}

const noKey = new Uint8Array(0)

function load(lane: Lane): void {
  const key = lane.file.keyAt(lane.row)
  lane.key = key
  let head = 0
  for (let i = 0; i < 6; i++) head = head * 256 + (key[i] ?? 0)
  lane.head = head
}

function isBefore(a: Lane, b: Lane): boolean {
  if (a.head !== b.head) return a.head < b.head
  const order = Buffer.compare(a.key, b.key)
  return order !== 0 ? order < 0 : a.position < b.position
}
