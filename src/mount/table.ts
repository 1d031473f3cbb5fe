import type { Attributes, ByteName } from '#fuse/operations.ts'
import type { ObjectId } from '#repo/object/object.ts'

/** The children of one directory. A node is a row of a table: its ID is `serial × 2^24 + row + 1`, so that no object exists per node.
 *  Serials and rows are never given out twice. */
export interface Table {
  readonly serial: number
  /** Inode number of the directory itself, and of the one above. */
  readonly inode: number
  readonly parentInode: number
  /** Seconds that the kernel may keep an entry; 0 = ask each time. */
  cacheSeconds(row: number): number
  /** Row of a name, or -1. */
  find(name: ByteName): number
  /** Rows of a listing, in order; the caller may keep it. */
  readonly rows: RowList
  nameOf(row: number): Uint8Array | ByteName
  inodeAt(row: number): number
  /** Fills `into`. */
  attributes(row: number, into: MutableAttributes): void
  /** What lies behind the row. */
  target(row: number): RowTarget

  /** Lookup counts: +1 for each entry handed out. */
  remember(row: number): void
  forget(row: number, count: number): void
  /** True while the kernel knows one of its rows. */
  readonly isKnown: boolean
}

export interface RowList {
  readonly length: number
  at(index: number): number
}

export type RowTarget =
  | { readonly kind: 'directory'; readonly objectId: ObjectId | ''; readonly table?: Table }
  | { readonly kind: 'file'; readonly objectId: ObjectId | ''; readonly sizeBytes: number }
  | { readonly kind: 'link'; readonly objectId: ObjectId | ''; readonly text?: Uint8Array }

export type MutableAttributes = { -readonly [K in keyof Attributes]: Attributes[K] }

const rowBits = 2 ** 24
export const maxRows = rowBits - 2

export const nodeId = (serial: number, row: number): number => serial * rowBits + row + 1
export const serialOf = (node: number): number => Math.floor((node - 1) / rowBits)
export const rowOf = (node: number): number => (node - 1) % rowBits

export const foreverSeconds = 86_400

export function emptyAttributes(): MutableAttributes {
  return {
    inode: 0,
    sizeBytes: 0,
    blocks: 0,
    accessedSeconds: 0,
    accessedNs: 0,
    modifiedSeconds: 0,
    modifiedNs: 0,
    changedSeconds: 0,
    changedNs: 0,
    mode: 0,
    linkCount: 1,
    uid: 0,
    gid: 0,
    device: 0,
    blockBytes: 4096,
  }
}

/** Sets the three times; snapshots keep only the one of modification. */
export function setTimes(into: MutableAttributes, seconds: number, ns: number): void {
  into.accessedSeconds = into.modifiedSeconds = into.changedSeconds = seconds
  into.accessedNs = into.modifiedNs = into.changedNs = ns
}

/** Size as stat shows it: directories as ext4's smallest, so that `du` says the same as on the source. */
export function setSize(into: MutableAttributes, isDirectory: boolean, sizeBytes: number): void {
  into.sizeBytes = isDirectory ? 4096 : sizeBytes
  into.blocks = isDirectory ? 8 : Math.ceil(sizeBytes / 512)
}
