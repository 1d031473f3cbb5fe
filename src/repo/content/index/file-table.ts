import { nativeAddon } from '#base/native.ts'
import type { IndexFile } from './index-file.ts'

/** Most files that a table can tell apart: 0 marks an empty slot. */
const maxTableFiles = 0xffff
/** Keys must be at least this long. */
const minTableKeySize = 9
/** Rows that fit: slots are numbered in 31 bits, half of them are used at most. */
const maxTableRows = 2 ** 29

/** Longer runs of used slots come from keys that were made to collide: then no table is used. */
const maxProbes = 4096

/** Says which of many index files may hold a key, so that a look-up searches one of them and not all. Open addressing, three bytes per
 *  slot, 6 to 12 bytes per row. Files can be added while there is room, so that a set of files that grows keeps its table. */
export class FileTable {
  readonly #files: Uint16Array
  readonly #marks: Uint8Array
  readonly #mask: number
  /** Slots in use. */
  #rows = 0
  readonly members: IndexFile[] = []

  private constructor(rows: number) {
    const slots = 2 ** Math.max(10, Math.ceil(Math.log2(rows * 2)))
    this.#files = new Uint16Array(slots)
    this.#marks = new Uint8Array(slots)
    this.#mask = slots - 1
  }

  /** Table of files whose keys all have one size; undefined when they are beyond the limits above, or made to collide. */
  static of(files: readonly IndexFile[]): FileTable | undefined {
    const rows = files.reduce((sum, file) => sum + file.count, 0)
    if (rows > maxTableRows || (files[0]?.keySize ?? 0) < minTableKeySize) return undefined
    const table = new FileTable(rows)
    return files.every((file) => table.add(file)) ? table : undefined
  }

  /** Adds a file; false when it does not fit. After that only members that were added before are found for sure. */
  add(file: IndexFile): boolean {
    const { members } = this
    if (members.length >= maxTableFiles || file.keySize !== (members[0] ?? file).keySize) return false
    if ((this.#rows + file.count) * 4 > this.#files.length * 3) return false
    if (!this.#insertAll(file, members.length + 1)) return false
    members.push(file)
    return true
  }

  #insertAll(file: IndexFile, number: number): boolean {
    const { count, keySize, place } = file
    const native = place && nativeAddon()
    if (!native) {
      for (let row = 0; row < count; row++) if (!this.#insert(file.keyAt(row), number)) return false
      return true
    }
    const added = native.fillTable(place.bytes, place.start, place.stride, count, keySize, this.#files, this.#marks, number)
    this.#rows += added
    // Most rows are never looked at again.
    native.forgetPages(place.bytes)
    return added === count
  }

  #insert(key: Uint8Array, number: number): boolean {
    let slot = mix(key) & this.#mask
    for (let probes = 0; this.#files[slot] !== 0; probes++) {
      if (probes === maxProbes) return false
      slot = (slot + 1) & this.#mask
    }
    this.#rows++
    this.#files[slot] = number
    this.#marks[slot] = markOf(key)
    return true
  }

  /** Puts the positions of the members to search into `out` and returns how many they are. A member may be named twice, or in vain. */
  candidates(key: Uint8Array, out: number[]): number {
    const mark = markOf(key)
    let count = 0
    for (let slot = mix(key) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const file = this.#files[slot] as number
      if (file === 0) return count
      if (this.#marks[slot] === mark && file <= this.members.length) out[count++] = file - 1
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
