import { fileKind } from '#fuse/abi.ts'
import type { ByteName } from '#fuse/operations.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { isSafeName } from '#snapshot/model/raw-name.ts'
import { inodeOf } from './inode.ts'
import { foreverSeconds, type MutableAttributes, maxRows, type RowList, type RowTarget, setSize, setTimes, type Table } from './table.ts'

const billion = 1_000_000_000n

/** The children of a directory object, in a few arrays: about 100 bytes per entry. Never changes. */
export class StoredTable implements Table {
  readonly rows: RowList
  readonly subdirectoryRows: readonly number[]
  private readonly texts: Buffer
  /** Name of row i: texts[2i]..texts[2i+1]; object ID: texts[2i+1]..texts[2i+2]. */
  private readonly bounds: Uint32Array
  private readonly modes: Uint16Array
  private readonly uids: Uint32Array
  private readonly gids: Uint32Array
  private readonly sizes: Float64Array
  private readonly seconds: Float64Array
  private readonly nanoseconds: Uint32Array
  private readonly inodes: Float64Array
  private readonly lookups: Uint32Array
  private known = 0
  /** Open-addressing index of the names by inode number; made at the first lookup. */
  private index: Int32Array | undefined

  /** Entries whose names cannot be shown ('', '.', '..', with '/' or NUL) are left out. */
  constructor(
    readonly serial: number,
    readonly inode: number,
    readonly parentInode: number,
    entries: readonly DirectoryEntry[],
  ) {
    const shown = entries.filter((e) => isSafeName(e.name)).slice(0, maxRows)
    const count = shown.length
    this.rows = { length: count, at: (i) => i }
    this.bounds = new Uint32Array(2 * count + 1)
    this.modes = new Uint16Array(count)
    this.uids = new Uint32Array(count)
    this.gids = new Uint32Array(count)
    this.sizes = new Float64Array(count)
    this.seconds = new Float64Array(count)
    this.nanoseconds = new Uint32Array(count)
    this.inodes = new Float64Array(count)
    this.lookups = new Uint32Array(count)
    const parts: string[] = []
    const subdirectories: number[] = []
    const taken = new Set<number>()
    let end = 0
    for (let row = 0; row < count; row++) {
      const entry = shown[row] as DirectoryEntry
      const name = Buffer.from(entry.name, 'utf8').toString('latin1')
      parts.push(name, entry.objectId)
      this.bounds[2 * row + 1] = end += name.length
      this.bounds[2 * row + 2] = end += entry.objectId.length
      this.inodes[row] = freeInode(inode, name, taken)
      if (entry.type === 'd') subdirectories.push(row)
      this.fill(row, entry)
    }
    this.texts = Buffer.from(parts.join(''), 'latin1')
    this.subdirectoryRows = subdirectories
  }

  private fill(row: number, entry: DirectoryEntry): void {
    const kind = entry.type === 'd' ? fileKind.directory : entry.type === 's' ? fileKind.symlink : fileKind.regular
    let ns = Number(entry.modifiedNs % billion)
    let seconds = Number(entry.modifiedNs / billion)
    if (ns < 0) {
      ns += 1e9
      seconds -= 1
    }
    this.modes[row] = kind | (entry.mode & 0o7777)
    this.uids[row] = entry.uid
    this.gids[row] = entry.gid
    this.sizes[row] = entry.sizeBytes
    this.seconds[row] = seconds
    this.nanoseconds[row] = ns
  }

  get isKnown(): boolean {
    return this.known > 0
  }

  cacheSeconds(): number {
    return foreverSeconds
  }

  remember(row: number): void {
    this.lookups[row] = (this.lookups[row] as number) + 1
    this.known++
  }

  forget(row: number, count: number): void {
    const taken = Math.min(count, this.lookups[row] ?? 0)
    if (taken === 0) return
    this.lookups[row] = (this.lookups[row] as number) - taken
    this.known -= taken
  }

  nameOf(row: number): Uint8Array {
    return this.texts.subarray(this.bounds[2 * row], this.bounds[2 * row + 1])
  }

  private objectId(row: number): ObjectId | '' {
    return this.texts.toString('latin1', this.bounds[2 * row + 1], this.bounds[2 * row + 2]) as ObjectId | ''
  }

  attributes(row: number, into: MutableAttributes): void {
    const mode = this.modes[row] as number
    into.inode = this.inodes[row] as number
    into.mode = mode
    into.linkCount = 1
    into.uid = this.uids[row] as number
    into.gid = this.gids[row] as number
    setSize(into, (mode & fileKind.mask) === fileKind.directory, this.sizes[row] as number)
    setTimes(into, this.seconds[row] as number, this.nanoseconds[row] as number)
  }

  target(row: number): RowTarget {
    const kind = (this.modes[row] as number) & fileKind.mask
    const objectId = this.objectId(row)
    if (kind === fileKind.directory) return { kind: 'directory', objectId }
    if (kind === fileKind.symlink) return { kind: 'link', objectId }
    return { kind: 'file', objectId, sizeBytes: this.sizes[row] as number }
  }

  inodeAt(row: number): number {
    return this.inodes[row] as number
  }

  find(name: ByteName): number {
    this.index ??= this.buildIndex()
    const mask = this.index.length - 1
    for (let slot = slotOf(inodeOf(this.inode, name)) & mask; ; slot = (slot + 1) & mask) {
      const row = (this.index[slot] as number) - 1
      if (row < 0) return -1
      if (this.isNamed(row, name)) return row
    }
  }

  private isNamed(row: number, name: ByteName): boolean {
    const start = this.bounds[2 * row] as number
    if ((this.bounds[2 * row + 1] as number) - start !== name.length) return false
    return this.texts.toString('latin1', start, start + name.length) === name
  }

  private buildIndex(): Int32Array {
    const size = 2 ** Math.ceil(Math.log2(Math.max(2, this.rows.length * 2)))
    const index = new Int32Array(size)
    const mask = size - 1
    for (let row = 0; row < this.rows.length; row++) {
      const name = this.texts.toString('latin1', this.bounds[2 * row], this.bounds[2 * row + 1])
      let slot = slotOf(inodeOf(this.inode, name)) & mask
      while (index[slot] !== 0) slot = (slot + 1) & mask
      index[slot] = row + 1
    }
    return index
  }
}

const slotOf = (inode: number): number => inode >>> 0

/** The inode number of the name; another one in the rare case that a sibling or the directory itself has it. */
function freeInode(parent: number, name: string, taken: Set<number>): number {
  let inode = inodeOf(parent, name)
  while (inode === parent || taken.has(inode)) inode = inodeOf(inode, name)
  taken.add(inode)
  return inode
}
