import { fileKind } from '#fuse/abi.ts'
import type { ByteName } from '#fuse/operations.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { StoredTable } from '../stored-table.ts'
import { emptyAttributes } from '../table.ts'
import type { NodeFacts } from './changes.ts'
import { lowerRange, type Range } from './extents.ts'

/** Entry of a directory's map: a node; 'gone' = whiteout in the journal; 'hidden' = only hides a row of a listing that is older than the
 *  directory's lower object. */
export type Child = StagingNode | 'gone' | 'hidden'

/** What a flush point needs to know of a node. */
export interface NodeState {
  readonly facts: NodeFacts
  readonly base: ObjectId | ''
  readonly baseBytes: number
  readonly sizeBytes: number
  readonly ranges: Range[] | undefined
  readonly generation: number
  readonly target: Uint8Array | undefined
  readonly writers: number
  readonly isCounted: boolean
  readonly isLeftOut: boolean
  readonly isStored: boolean
  readonly hadLinks: boolean
  readonly children: ReadonlyMap<ByteName, Child> | undefined
}

/** A node that has been changed, or that was and is known to the kernel. */
export class StagingNode implements NodeState {
  facts: NodeFacts
  parent: StagingNode | undefined
  /** First name, for nodes that are not in the journal yet. */
  name: ByteName = ''
  /** In the journal. */
  isStored = false
  /** Waits for a snapshot. */
  isCounted = false
  isLeftOut = false
  /** Has or had several names, so that `parent` and `name` may not be the one that is left. */
  hadLinks = false
  lookups = 0
  opens = 0
  writers = 0
  xattrs: Map<ByteName, Uint8Array> | undefined
  base: ObjectId | '' = ''
  baseBytes = 0
  sizeBytes = 0
  /** Undefined = the whole of `base`. */
  ranges: Range[] | undefined
  /** Number of the flush point that `saved` is of; no state: the node is younger. */
  savedFor = 0
  saved: NodeState | undefined
  /** A flush point holds `ranges` too. */
  isShared = false
  /** Bytes of `ranges` that are in the spool. */
  stagedBytes = 0
  isDirtyFile = false
  /** Children that the kernel has forgotten since they were last looked at. */
  forgotten = 0
  /** Written to segments since the file was last empty or in a snapshot. */
  smallBytes = 0
  /** Promised by fallocate(2) and not written yet. */
  reservedBytes = 0
  /** Spool file that writes go to. */
  generation = 0
  unsynced = false
  readonly children: Map<ByteName, Child> | undefined
  subdirectories: number | undefined
  /** Directory object that listings are made of; differs from `base` after a flush until the kernel has let go of it. */
  view: ObjectId | '' = ''
  target: Uint8Array | undefined

  constructor(
    readonly id: number,
    facts: NodeFacts,
  ) {
    this.facts = facts
    this.children = (facts.mode & fileKind.mask) === fileKind.directory ? new Map() : undefined
  }

  get kind(): number {
    return this.facts.mode & fileKind.mask
  }

  get isDirectory(): boolean {
    return this.children !== undefined
  }

  /** The ranges, to be changed in place. */
  editable(): Range[] {
    if (this.ranges === undefined) {
      this.ranges = this.base === '' || this.sizeBytes === 0 ? [] : [lowerRange(0, this.sizeBytes, this.base, 0)]
    } else if (this.isShared) this.ranges = [...this.ranges]
    this.isShared = false
    return this.ranges
  }

  /** The ranges, to be read. */
  get extents(): readonly Range[] {
    return extentsOf(this)
  }
}

/** A copy of what a flush point needs. */
export function stateOf(node: StagingNode): NodeState {
  const { facts, base, baseBytes, sizeBytes, ranges, generation, target, writers, isCounted, isLeftOut, isStored, hadLinks } = node
  const children = node.children && new Map(node.children)
  return { facts, base, baseBytes, sizeBytes, ranges, generation, target, writers, isCounted, isLeftOut, isStored, hadLinks, children }
}

export function extentsOf({ ranges, base, sizeBytes }: NodeState): readonly Range[] {
  if (ranges !== undefined) return ranges
  return base === '' || sizeBytes === 0 ? [] : [lowerRange(0, sizeBytes, base, 0)]
}

/** Rows of a lower directory; node of row i = `first` + i. */
export class LowerTable {
  readonly stored: StoredTable
  readonly lookups: Uint32Array
  known = 0
  /** Loaded tables of directories in it. */
  below = 0

  constructor(
    readonly first: number,
    readonly directory: number,
    entries: readonly DirectoryEntry[],
  ) {
    this.stored = new StoredTable(0, directory, directory, entries)
    this.lookups = new Uint32Array(this.stored.rows.length)
  }

  get length(): number {
    return this.stored.rows.length
  }

  nameAt(row: number): ByteName {
    return Buffer.from(this.stored.nameOf(row)).toString('latin1')
  }

  kindAt(row: number): number {
    const { kind } = this.stored.target(row)
    return kind === 'directory' ? fileKind.directory : kind === 'link' ? fileKind.symlink : fileKind.regular
  }

  /** A node of its own for the row, equal to it. */
  nodeOf(row: number): StagingNode {
    const a = emptyAttributes()
    this.stored.attributes(row, a)
    const node = new StagingNode(this.first + row, { ...a, links: (a.mode & fileKind.mask) === fileKind.directory ? 2 : 1 })
    const target = this.stored.target(row)
    node.base = node.view = target.objectId
    if (target.kind === 'file') node.sizeBytes = node.baseBytes = target.sizeBytes
    if (target.kind === 'link') node.sizeBytes = node.baseBytes = a.sizeBytes
    node.name = this.nameAt(row)
    node.lookups = this.lookups[row] as number
    return node
  }
}
