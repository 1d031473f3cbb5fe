import type { IndexFile } from './index-file.ts'

/** Most files that a table can tell apart: 0 marks an empty slot. */
export const maxTableFiles = 0xffff
/** Keys must be at least this long. */
export const minTableKeySize = 9
/** Rows that fit: slots are numbered in 31 bits, half of them are used at most. */
export const maxTableRows = 2 ** 29

/** Says which of many index files may hold a key, so that a look-up searches one of them and not all. Open addressing, three bytes per
 *  slot, 6 to 12 bytes per row. */
export class FileTable {
  readonly #files: Uint16Array
  readonly #marks: Uint8Array
  readonly #mask: number

  /** All files must have keys of one size; see the limits above. */
  constructor(files: readonly IndexFile[]) {
    const rows = files.reduce((sum, file) => sum + file.count, 0)
    const slots = 2 ** Math.max(10, Math.ceil(Math.log2(rows * 2)))
    this.#files = new Uint16Array(slots)
    this.#marks = new Uint8Array(slots)
    this.#mask = slots - 1
    for (const [position, file] of files.entries())
      for (let row = 0; row < file.count; row++) {
        const key = file.keyAt(row)
        let slot = mix(key) & this.#mask
        while (this.#files[slot] !== 0) slot = (slot + 1) & this.#mask
        this.#files[slot] = position + 1
        this.#marks[slot] = markOf(key)
      }
  }

  /** Puts the positions of the files to search into `out` and returns how many they are. A file may be named twice, or in vain. */
  candidates(key: Uint8Array, out: number[]): number {
    const mark = markOf(key)
    let count = 0
    for (let slot = mix(key) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const file = this.#files[slot] as number
      if (file === 0) return count
      if (this.#marks[slot] === mark) out[count++] = file - 1
    }
  }
}

/** Spreads keys over slots. They are hashes already; both ends and the prefix are mixed, so that made-up keys do not pile up. */
function mix(key: Uint8Array): number {
  const last = key.length - 4
  return Math.imul(word(key, 1) ^ Math.imul(word(key, last) ^ (key[0] as number), 0x9e3779b1), 0x85ebca6b) >>> 1
}

const markOf = (key: Uint8Array): number => (key[5] as number) ^ (key[0] as number)

const word = (key: Uint8Array, at: number): number =>
  ((key[at] as number) << 24) | ((key[at + 1] as number) << 16) | ((key[at + 2] as number) << 8) | (key[at + 3] as number)
