import { isUtf8 } from 'node:buffer'
import { getSystemErrorName } from 'node:util'
import { nativeAddon } from '#base/native.ts'
import { decodeName, encodeName } from '#snapshot/model/raw-name.ts'
import { deniedEntry, entryOf, type LocalEntry, placeholderSuffix, scanDirectory, typeOfMode } from './local-tree.ts'

/** All entries of a local directory, sorted by the bytes of their names. Nothing is made per entry before it is asked for. */
export interface FolderScan {
  readonly count: number
  entry(index: number): LocalEntry
  /** Entries of this name: the entry itself, and the placeholder for it. */
  named(name: string): readonly LocalEntry[]
  /** False when the entry is known to have no extended attributes. */
  mayHaveAttributes(index: number): boolean
  /** Where the stored entries that are directories end (they begin at `storedFoldersStart`), when the stored directory has the form that
   *  all writers agree on and was looked at. */
  readonly storedFoldersEnd: number | undefined
  /** Files and links that stand in the stored directory with the very attributes that they have now. Undefined when there are none. */
  readonly matches: StoredMatches | undefined
}

/** Files and links whose attributes and stored ones are the same. No placeholders; all names are UTF-8. */
export interface StoredMatches {
  readonly count: number
  /** End of the stored JSON of the entry; 0 when it does not match: then the rest does not count. */
  end(index: number): number
  start(index: number): number
  objectId(index: number, stored: Buffer): string
  /** Start and end of the object IDs in the stored JSON. */
  objectPlaces(indexes: readonly number[]): Uint32Array
  name(index: number): string
  sizeBytes(index: number): number
  device(index: number): number
  linkCount(index: number): number
  /** Adds up the entries that have a 1 in `flags`. */
  totals(flags: Uint8Array): LeafTotals
}

/** What files and links come to. */
export interface LeafTotals {
  readonly fileCount: number
  readonly symlinkCount: number
  /** Of files alone. */
  readonly totalBytes: number
  /** Undefined when there are none. */
  readonly maxTimeNs: bigint | undefined
}

/** Where the entries of a directory object begin (native/stored_entries.c). */
export const storedFoldersStart = '{"stream":"kopia:directory","entries":['.length

const nothing = Buffer.alloc(0)

/** Lists a directory and looks at every entry, in one job of the thread pool where the addon is there. Entries that vanish meanwhile are
 *  left out. `stored`: the directory object of an earlier snapshot to match with. Rejects with the system error when the directory cannot
 *  be read. */
export async function scanFolder(path: string | Buffer, stored: Buffer | undefined): Promise<FolderScan> {
  const addon = nativeAddon()
  if (!addon) return new ListedFolder(scanDirectory(path))
  const bytes = typeof path === 'string' ? Buffer.from(path) : path
  const result = await addon.scanDirectory(bytes, stored ?? nothing)
  if (typeof result === 'number') throw systemError(result, 'scandir', String(path))
  return new PackedFolder(result)
}

function systemError(errno: number, syscall: string, path: string): Error {
  const code = getSystemErrorName(-errno)
  return Object.assign(new Error(`${code}: ${syscall} '${path}'`), { code, errno: -errno, syscall, path })
}

/** The twin: an object per entry, and no matches. */
export class ListedFolder implements FolderScan {
  readonly #entries: readonly LocalEntry[]
  readonly storedFoldersEnd = undefined
  readonly matches = undefined

  constructor(entries: readonly LocalEntry[]) {
    const keyed = entries.map((entry) => ({ entry, key: encodeName(entry.isPlaceholder ? entry.name + placeholderSuffix : entry.name) }))
    this.#entries = keyed.sort((a, b) => Buffer.compare(a.key, b.key)).map((k) => k.entry)
  }

  get count(): number {
    return this.#entries.length
  }

  entry(index: number): LocalEntry {
    return this.#entries[index] as LocalEntry
  }

  named(name: string): readonly LocalEntry[] {
    return this.#entries.filter((e) => e.name === name)
  }

  mayHaveAttributes(): boolean {
    return true
  }
}

const headerBytes = 32
const hasAttributes = 1

/** What the addon's scanDirectory gives: a header of eight words; sizes and devices (doubles), times and inodes (64 bits); name ends,
 *  modes, owners, groups, link counts, errors, flags, and start, object and end of the match (32 bits); the names, each with '/' behind. */
class PackedFolder implements FolderScan {
  readonly count: number
  readonly storedFoldersEnd: number | undefined
  readonly matches: StoredMatches | undefined
  readonly #reals: Float64Array
  readonly #times: BigInt64Array
  readonly #inodes: BigUint64Array
  readonly #words: Uint32Array
  readonly #names: Buffer

  constructor(block: ArrayBuffer) {
    const header = new Uint32Array(block, 0, headerBytes / 4)
    const n = header[0] as number
    this.count = n
    this.#reals = new Float64Array(block, headerBytes, 2 * n)
    this.#times = new BigInt64Array(block, headerBytes + 16 * n, n)
    this.#inodes = new BigUint64Array(block, headerBytes + 24 * n, n)
    this.#words = new Uint32Array(block, headerBytes + 32 * n, 10 * n)
    this.#names = Buffer.from(block, headerBytes + 72 * n, header[1] as number)
    // Stored names are always UTF-8; with others about, what looks alike may not be the same.
    const isUsual = header[2] === 1 && isUtf8(this.#names)
    this.storedFoldersEnd = isUsual ? (header[3] as number) : undefined
    this.matches = isUsual && (header[5] as number) > 0 ? this.#matches(header[5] as number) : undefined
  }

  entry(index: number): LocalEntry {
    const raw = this.#rawName(index)
    const name = decodeName(raw)
    const rawName = name.isWellFormed() ? undefined : raw
    const fullMode = this.#word(1, index)
    const errno = this.#word(5, index)
    if (errno !== 0) return deniedEntry(name, rawName, typeOfMode(fullMode), systemError(errno, 'lstat', name))
    const attributes = {
      fullMode,
      size: this.#reals[index] as number,
      modifiedNs: this.#times[index] as bigint,
      uid: this.#word(2, index),
      gid: this.#word(3, index),
      device: this.#reals[this.count + index] as number,
      inode: this.#inodes[index] as bigint,
      linkCount: this.#word(4, index),
    }
    return entryOf(attributes, name, rawName)
  }

  named(name: string): readonly LocalEntry[] {
    const wanted = encodeName(name)
    if (!this.#names.includes(wanted)) return []
    const forms = [wanted, Buffer.concat([wanted, Buffer.from(placeholderSuffix)])]
    const found: LocalEntry[] = []
    for (let i = 0; i < this.count; i++) if (forms.some((form) => form.equals(this.#rawName(i)))) found.push(this.entry(i))
    return found.filter((e) => e.name === name)
  }

  mayHaveAttributes(index: number): boolean {
    return (this.#word(6, index) & hasAttributes) !== 0
  }

  #word(array: number, index: number): number {
    return this.#words[array * this.count + index] as number
  }

  #rawName(index: number): Buffer {
    return this.#names.subarray(index === 0 ? 0 : this.#word(0, index - 1), this.#word(0, index) - 1)
  }

  #objectPlaces(indexes: readonly number[]): Uint32Array {
    const places = new Uint32Array(2 * indexes.length)
    for (let k = 0; k < indexes.length; k++) {
      places[2 * k] = this.#word(8, indexes[k] as number)
      places[2 * k + 1] = this.#word(9, indexes[k] as number) - 2
    }
    return places
  }

  #matches(count: number): StoredMatches {
    return {
      count,
      end: (i) => this.#word(9, i),
      start: (i) => this.#word(7, i),
      objectId: (i, stored) => stored.toString('latin1', this.#word(8, i), this.#word(9, i) - 2),
      objectPlaces: (indexes) => this.#objectPlaces(indexes),
      name: (i) => this.#names.toString('utf8', i === 0 ? 0 : this.#word(0, i - 1), this.#word(0, i) - 1),
      sizeBytes: (i) => this.#reals[i] as number,
      device: (i) => this.#reals[this.count + i] as number,
      linkCount: (i) => this.#word(4, i),
      totals: (flags) => this.#totals(flags),
    }
  }

  #totals(flags: Uint8Array): LeafTotals {
    const { count } = this
    // Times are compared by their halves: a bigint would be an object for each entry.
    const halves = new Int32Array(this.#times.buffer, this.#times.byteOffset, 2 * count)
    let newest = -1
    let files = 0
    let links = 0
    let totalBytes = 0
    for (let i = 0; i < count; i++) {
      if (flags[i] !== 1) continue
      if (newest < 0 || isLater(halves, i, newest)) newest = i
      if (typeOfMode(this.#word(1, i)) === 's') links++
      else {
        files++
        totalBytes += this.#reals[i] as number
      }
    }
    return { fileCount: files, symlinkCount: links, totalBytes, maxTimeNs: newest < 0 ? undefined : (this.#times[newest] as bigint) }
  }
}

/** Whether the 64-bit number at `a` is larger than that at `b`. */
function isLater(halves: Int32Array, a: number, b: number): boolean {
  const difference = (halves[2 * a + 1] as number) - (halves[2 * b + 1] as number)
  return difference > 0 || (difference === 0 && (halves[2 * a] as number) >>> 0 > (halves[2 * b] as number) >>> 0)
}
