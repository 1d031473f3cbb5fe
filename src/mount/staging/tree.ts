import { fileKind } from '#fuse/abi.ts'
import { errno, FuseError } from '#fuse/errno.ts'
import type { ByteName, Reply } from '#fuse/operations.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { MutableAttributes } from '../table.ts'
import type { Change } from './changes.ts'
import { place, resize } from './extents.ts'
import { forgotten } from './let-go.ts'
import { type Child, LowerTable, type NodeState, StagingNode, stateOf } from './node.ts'
import type { LowerTree } from './staging.ts'

const maxIdleTables = 2_000

/** All nodes: changed ones as objects, those of the lower tree as rows of tables that come and go with the kernel's interest. */
export class StagingTree {
  readonly nodes = new Map<number, StagingNode>()
  private readonly tables = new Map<number, LowerTable>()
  private readonly loading = new Map<number, Promise<void>>()
  /** By first node number, ascending. */
  private readonly blocks: LowerTable[] = []
  private readonly idle = new Set<LowerTable>()
  readonly counted = new Set<StagingNode>()
  dirtyBytes = 0
  dirtyFiles = 0
  hasXattrs = false
  /** Stands on a snapshot that the journal does not say yet. */
  isAhead = false
  /** A flush point is being written. */
  isFrozen = false
  private frozenNumber = 0
  private readonly savedNodes: StagingNode[] = []
  /** Told of nodes that nobody can reach any more. */
  onGone: (node: StagingNode) => void = () => undefined

  constructor(
    readonly root: number,
    public nextNode: number,
    private readonly lower: LowerTree,
  ) {}

  /** A changed node, or ESTALE when nobody can know it. */
  private tableOf(node: number): LowerTable | undefined {
    let low = 0
    let high = this.blocks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.blocks[middle] as LowerTable).first <= node) low = middle + 1
      else high = middle
    }
    const table = this.blocks[low - 1]
    return table !== undefined && node < table.first + table.length ? table : undefined
  }

  private row(node: number): { readonly table: LowerTable; readonly row: number } {
    const table = this.tableOf(node)
    if (table === undefined) throw new FuseError(errno.ESTALE)
    return { table, row: node - table.first }
  }

  /** The node as an object: a row of the lower tree gets one, with all directories above it. */
  get(node: number): StagingNode {
    const known = this.nodes.get(node)
    if (known !== undefined) return known
    const { table, row } = this.row(node)
    const parent = this.get(table.directory)
    const made = table.nodeOf(row)
    made.parent = parent
    this.nodes.set(node, made)
    parent.children?.set(made.name, made)
    const own = this.tables.get(node)
    if (own !== undefined) table.below--
    table.known -= table.lookups[row] as number
    table.lookups[row] = 0
    return made
  }

  objectOfRow(node: number): { readonly kind: number; readonly objectId: ObjectId | ''; readonly sizeBytes: number } | undefined {
    if (this.nodes.has(node)) return undefined
    const { table, row } = this.row(node)
    const target = table.stored.target(row)
    return { kind: table.kindAt(row), objectId: target.objectId, sizeBytes: target.kind === 'file' ? target.sizeBytes : 0 }
  }

  /** Loads what the directory stands on. ENOTDIR. */
  ready(directory: number): Reply<void> {
    const node = this.nodes.get(directory)
    const known = node === undefined ? this.objectOfRow(directory) : undefined
    if (node !== undefined ? !node.isDirectory : known?.kind !== fileKind.directory) throw new FuseError(errno.ENOTDIR)
    const objectId = node !== undefined ? node.view : (known?.objectId ?? '')
    if (objectId === '' || this.tables.has(directory)) return
    const running = this.loading.get(directory)
    if (running !== undefined) return running
    const load = this.load(directory, objectId).finally(() => this.loading.delete(directory))
    this.loading.set(directory, load)
    return load
  }

  private async load(directory: number, objectId: ObjectId): Promise<void> {
    const entries = await this.lower.readDirectory(objectId)
    const table = new LowerTable(this.nextNode, directory, entries)
    this.nextNode += table.length
    this.tables.set(directory, table)
    if (table.length > 0) this.blocks.push(table)
    if (!this.nodes.has(directory)) {
      const above = this.tableOf(directory)
      if (above !== undefined) {
        above.below++
        this.idle.delete(above)
      }
    }
    this.settle(table)
  }

  isLoading(directory: number): boolean {
    return this.loading.has(directory)
  }

  tableIn(directory: number): LowerTable | undefined {
    return this.tables.get(directory)
  }

  /** What the name stands for; the directory must be ready. */
  find(directory: number, name: ByteName): number | undefined {
    const child = this.nodes.get(directory)?.children?.get(name)
    if (child instanceof StagingNode) return child.id
    if (child !== undefined) return undefined
    const table = this.tables.get(directory)
    const row = table?.stored.find(name) ?? -1
    return table === undefined || row < 0 ? undefined : table.first + row
  }

  kindOf(node: number): number {
    const known = this.nodes.get(node)
    if (known !== undefined) return known.kind
    const { table, row } = this.row(node)
    return table.kindAt(row)
  }

  list(directory: number): { name: ByteName; kind: number }[] {
    const listed: { name: ByteName; kind: number }[] = []
    const children = this.nodes.get(directory)?.children
    const table = this.tables.get(directory)
    if (table !== undefined) {
      for (let row = 0; row < table.length; row++) {
        const name = table.nameAt(row)
        if (children?.has(name) !== true) listed.push({ name, kind: table.kindAt(row) })
      }
    }
    if (children !== undefined) {
      for (const [name, child] of children) if (child instanceof StagingNode) listed.push({ name, kind: child.kind })
    }
    return listed
  }

  isEmpty(directory: number): boolean {
    const children = this.nodes.get(directory)?.children
    if (children !== undefined) for (const child of children.values()) if (child instanceof StagingNode) return false
    const table = this.tables.get(directory)
    if (table === undefined) return true
    for (let row = 0; row < table.length; row++) if (children?.has(table.nameAt(row)) !== true) return false
    return true
  }

  parentOf(directory: number): number {
    if (directory === this.root) return this.root
    const known = this.nodes.get(directory)
    if (known !== undefined) return known.parent?.id ?? this.root
    return this.row(directory).table.directory
  }

  attributes(node: number, into: MutableAttributes): void {
    const known = this.nodes.get(node)
    if (known === undefined) {
      const { table, row } = this.row(node)
      table.stored.attributes(row, into)
      if ((into.mode & fileKind.mask) === fileKind.directory) into.linkCount = this.linksOfRow(node)
    } else {
      Object.assign(into, known.facts)
      into.linkCount = known.isDirectory ? this.linksOf(known) : known.facts.links
      into.sizeBytes = known.isDirectory ? 4096 : known.sizeBytes
      into.blocks = known.isDirectory ? 8 : Math.ceil(known.sizeBytes / 512)
      if (known.ranges !== undefined)
        into.blocks = known.ranges.reduce((sum, r) => sum + (r.source === 'zero' ? 0 : Math.ceil(r.length / 512)), 0)
      into.device = 0
      into.blockBytes = 4096
    }
    into.inode = node
  }

  // 1 says "not counted", which tools know from Btrfs; the exact number would need the directory to be read.
  private linksOfRow(node: number): number {
    const table = this.tables.get(node)
    return table === undefined ? 1 : 2 + table.stored.subdirectoryRows.length
  }

  private linksOf(node: StagingNode): number {
    if (node.facts.links === 0) return 0
    if (node.view !== '' && !this.tables.has(node.id)) return 1
    node.subdirectories ??= this.countSubdirectories(node)
    return 2 + node.subdirectories
  }

  private countSubdirectories(node: StagingNode): number {
    const table = this.tables.get(node.id)
    let count = 0
    for (const row of table?.stored.subdirectoryRows ?? []) if (node.children?.has((table as LowerTable).nameAt(row)) !== true) count++
    for (const child of node.children?.values() ?? []) if (child instanceof StagingNode && child.isDirectory) count++
    return count
  }

  remember(node: number): void {
    const known = this.nodes.get(node)
    if (known !== undefined) {
      known.lookups++
      return
    }
    const { table, row } = this.row(node)
    table.lookups[row] = (table.lookups[row] as number) + 1
    table.known++
    this.idle.delete(table)
  }

  forget(node: number, count: number): void {
    const known = this.nodes.get(node)
    if (known !== undefined) {
      known.lookups = Math.max(0, known.lookups - count)
      this.reap(known)
      if (known.lookups === 0 && known.facts.links > 0) forgotten(this, known)
      return
    }
    const table = this.tableOf(node)
    if (table === undefined) return
    const row = node - table.first
    const taken = Math.min(count, table.lookups[row] as number)
    table.lookups[row] = (table.lookups[row] as number) - taken
    table.known -= taken
    this.settle(table)
  }

  /** Lets a node go that has no name, and that nobody has open or knows. */
  reap(node: StagingNode): void {
    if (node.facts.links > 0 || node.lookups > 0 || node.opens > 0 || this.nodes.get(node.id) !== node) return
    this.nodes.delete(node.id)
    this.uncount(node)
    this.onGone(node)
  }

  private settle(table: LowerTable): void {
    if (table.known > 0 || table.below > 0) return
    this.idle.add(table)
    if (this.idle.size <= maxIdleTables) return
    const [oldest] = this.idle
    if (oldest !== undefined && oldest !== table) this.drop(oldest)
  }

  private drop(table: LowerTable): void {
    this.idle.delete(table)
    if (this.nodes.has(table.directory)) return // changes stand on it
    this.detach(table)
    const above = this.tableOf(table.directory)
    if (above === undefined) return
    above.below--
    this.settle(above)
  }

  detach(table: LowerTable): void {
    this.idle.delete(table)
    if (this.tables.get(table.directory) === table) this.tables.delete(table.directory)
    const at = this.blocks.indexOf(table)
    if (at >= 0) this.blocks.splice(at, 1)
  }

  /** Begins a flush point: from now on a node is saved as it is before it is changed. */
  freeze(): void {
    this.isFrozen = true
    this.frozenNumber++
  }

  thaw(): void {
    this.isFrozen = false
    for (const node of this.savedNodes.splice(0)) node.saved = undefined
  }

  /** The node as it was at the flush point; undefined for one that is younger. */
  frozen(node: StagingNode): NodeState | undefined {
    return node.savedFor === this.frozenNumber ? node.saved : node
  }

  /** To be called before the node is changed. Writers go on in a new spool file. */
  touch(node: StagingNode): void {
    if (!this.isFrozen || node.savedFor === this.frozenNumber) return
    node.savedFor = this.frozenNumber
    node.saved = stateOf(node)
    this.savedNodes.push(node)
    if (node.ranges === undefined) return
    node.isShared = true
    node.generation++
  }

  count(node: StagingNode): void {
    node.isLeftOut = false
    if (node.isCounted) return
    node.isCounted = true
    this.counted.add(node)
    this.dirtyBytes += node.stagedBytes
    node.isDirtyFile = node.ranges !== undefined
    if (node.isDirtyFile) this.dirtyFiles++
  }

  /** After a change of a node that is counted: taking it out of the set and putting it in again would cost more than all else. */
  private recount(node: StagingNode, stagedBefore: number): void {
    node.isLeftOut = false
    this.dirtyBytes += node.stagedBytes - stagedBefore
    if (node.isDirtyFile === (node.ranges !== undefined)) return
    node.isDirtyFile = node.ranges !== undefined
    this.dirtyFiles += node.isDirtyFile ? 1 : -1
  }

  uncount(node: StagingNode): void {
    if (!node.isCounted) return
    node.isCounted = false
    this.counted.delete(node)
    this.dirtyBytes -= node.stagedBytes
    if (node.isDirtyFile) this.dirtyFiles--
  }

  /** Carries one change out, at once after it is in the journal and again at replay. */
  apply(change: Change): void {
    if (change.type === 'name') {
      this.applyName(change.directory, change.name, change.node)
      return
    }
    let node = this.nodes.get(change.node)
    if (node === undefined) {
      if (change.type !== 'node') return
      node = new StagingNode(change.node, change.facts)
      this.nodes.set(change.node, node)
      this.nextNode = Math.max(this.nextNode, change.node + 1)
      if (this.isFrozen) node.savedFor = this.frozenNumber
    } else this.touch(node)
    node.isStored = true
    if (change.type === 'leftOut') {
      this.uncount(node)
      node.isLeftOut = true
      return
    }
    const { stagedBytes, isCounted } = node
    this.applyTo(node, change)
    if (isCounted) this.recount(node, stagedBytes)
    else this.count(node)
  }

  private applyTo(node: StagingNode, change: Exclude<Change, { readonly type: 'name' | 'leftOut' }>): void {
    switch (change.type) {
      case 'node':
        node.facts = change.facts
        if (!node.isDirectory && change.facts.links > 1) node.hadLinks = true
        return
      case 'base':
        if (node.isDirectory && node.base === change.objectId) return // its listing may be an older one
        node.base = node.view = change.objectId
        node.baseBytes = change.sizeBytes
        if (!node.isDirectory) node.sizeBytes = change.sizeBytes
        node.ranges = undefined
        node.stagedBytes = 0
        return
      case 'target':
        node.target = change.target
        node.sizeBytes = change.target.length
        return
      case 'range': {
        const ranges = node.editable()
        const { range } = change
        node.stagedBytes += place(ranges, range)
        node.sizeBytes = Math.max(node.sizeBytes, range.offset + range.length)
        if (range.source === 'spool') node.generation = Math.max(node.generation, range.generation)
        return
      }
      case 'size':
        node.stagedBytes += resize(node.editable(), change.sizeBytes)
        node.sizeBytes = change.sizeBytes
        return
      case 'xattr':
        node.xattrs ??= new Map()
        this.hasXattrs = true
        if (change.value === undefined) node.xattrs.delete(change.name)
        else node.xattrs.set(change.name, change.value)
    }
  }

  private applyName(directory: number, name: ByteName, target: number): void {
    const parent = this.nodes.get(directory)
    if (parent?.children === undefined) return
    this.touch(parent)
    const before = this.find(directory, name)
    if (parent.subdirectories !== undefined) {
      if (before !== undefined && this.kindOf(before) === fileKind.directory) parent.subdirectories--
      if (target > 0 && this.kindOf(target) === fileKind.directory) parent.subdirectories++
    }
    const child: Child | undefined = target === 0 ? 'gone' : target > 0 ? this.nodes.get(target) : undefined
    if (child === undefined) parent.children.delete(name)
    else parent.children.set(name, child)
    if (child instanceof StagingNode) {
      child.parent = parent
      child.name = name
    }
    this.count(parent)
  }
}
