import { fileKind } from '#fuse/abi.ts'
import type { ByteName } from '#fuse/operations.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { Change, NodeFacts } from './changes.ts'
import { readContent } from './content.ts'
import { lowerRange, place, type Range, segmentOf, slice, spoolBytes } from './extents.ts'
import { extentsOf, type NodeState, StagingNode } from './node.ts'
import type { Spool } from './spool.ts'
import type { FrozenAttributes, FrozenNode, LowerTree } from './staging.ts'
import type { StagingTree } from './tree.ts'

type FrozenChild = FrozenNode | DirectoryEntry | undefined
type FrozenFile = FrozenNode & { readonly kind: 'file' }
type FrozenDirectory = FrozenNode & { readonly kind: 'directory' }

const attributesOf = (facts: NodeFacts): FrozenAttributes => ({
  mode: facts.mode,
  uid: facts.uid,
  gid: facts.gid,
  modifiedNs: BigInt(facts.modifiedSeconds) * 1_000_000_000n + BigInt(facts.modifiedNs),
})

/** One moment of the tree, looked at while writers go on: nodes that were changed since are taken as they were saved. */
export class FrozenTree {
  private readonly kept = new Map<StagingNode, boolean>()

  constructor(
    private readonly tree: StagingTree,
    private readonly spool: Spool,
    private readonly lower: LowerTree,
  ) {}

  get root(): FrozenDirectory {
    return this.nodeOf(this.tree.get(this.tree.root)) as FrozenDirectory
  }

  private nodeOf(node: StagingNode): FrozenNode | DirectoryEntry {
    const state = this.tree.frozen(node) as NodeState // younger ones are in no directory of that moment
    const attributes = attributesOf(state.facts)
    const kind = state.facts.mode & fileKind.mask
    if (state.children !== undefined) return this.directory(node, state, attributes)
    if (kind === fileKind.regular) return this.file(node, state, attributes)
    if (kind !== fileKind.symlink) return { kind: 'special', node: node.id, attributes }
    if (state.target !== undefined) return { kind: 'link', node: node.id, attributes, target: state.target }
    const { mode, uid, gid, modifiedNs } = attributes
    return { name: '', type: 's', mode: mode & 0o7777, sizeBytes: state.baseBytes, modifiedNs, uid, gid, objectId: state.base }
  }

  private directory(node: StagingNode, { base, isCounted }: NodeState, attributes: FrozenAttributes): FrozenDirectory {
    let entries: (readonly [ByteName, FrozenChild])[] | undefined
    let changed: boolean | undefined
    const changes = (): (readonly [ByteName, FrozenChild])[] => {
      const children = this.tree.frozen(node)?.children ?? [] // by now it may have been changed, and saved
      entries ??= [...children].flatMap(([name, child]): (readonly [ByteName, FrozenChild])[] => {
        if (!(child instanceof StagingNode)) return [[name, undefined]]
        return this.isKept(child) ? [[name, named(this.nodeOf(child), name)]] : []
      })
      return entries
    }
    const isChanged = (): boolean => {
      changed ??= isCounted || changes().some(([, child]) => this.isChanged(child))
      return changed
    }
    return {
      kind: 'directory',
      node: node.id,
      attributes,
      lower: base === '' ? undefined : base,
      get changed() {
        return isChanged()
      },
      changes,
    }
  }

  private isChanged(child: FrozenChild): boolean {
    if (child === undefined) return false
    if (!('kind' in child)) return true
    if (child.kind === 'directory') return child.changed
    const node = this.tree.nodes.get(child.node)
    return node === undefined || this.tree.frozen(node)?.isCounted !== false
  }

  private isKept(node: StagingNode): boolean {
    let kept = this.kept.get(node)
    if (kept === undefined) {
      const state = this.tree.frozen(node)
      kept = state !== undefined && keptItself(state)
      if (!kept) for (const child of state?.children?.values() ?? []) if (child instanceof StagingNode && this.isKept(child)) kept = true
      this.kept.set(node, kept)
    }
    return kept
  }

  private file(node: StagingNode, state: NodeState, attributes: FrozenAttributes): FrozenFile {
    const { id } = node
    const { sizeBytes } = state
    // Copied when the file is changed; until then the list is the file's own.
    const extents = extentsOf(state)
    if (state.ranges !== undefined) node.isShared = true
    return {
      kind: 'file',
      node: id,
      attributes,
      sizeBytes,
      get extents() {
        return extents.map(({ offset, length, source, objectId, lowerOffset }) =>
          source === 'lower' && objectId !== '' ? { offset, length, source, objectId, lowerOffset } : { offset, length, source },
        )
      },
      lower: state.base === '' ? undefined : state.base,
      isBeingWritten: state.writers > 0,
      contentKey: state.ranges,
      changedNs: BigInt(state.facts.changedSeconds) * 1_000_000_000n + BigInt(state.facts.changedNs),
      read: (offset, size) => readContent({ id, sizeBytes, extents }, offset, size, this.spool, this.lower),
    }
  }
}

const named = (child: FrozenNode | DirectoryEntry, name: ByteName): FrozenNode | DirectoryEntry =>
  'kind' in child ? child : { ...child, name: Buffer.from(name, 'latin1').toString() }

const keptItself = (node: NodeState): boolean => node.isCounted || node.isLeftOut || (node.isStored && node.hadLinks)

/** True for nodes that the lower tree does not have as they are. */
export function isKept(node: StagingNode): boolean {
  if (keptItself(node)) return true
  for (const child of node.children?.values() ?? []) if (child instanceof StagingNode && isKept(child)) return true
  return false
}

export type StoredNode = Pick<DirectoryEntry, 'objectId'> & Partial<Pick<DirectoryEntry, 'sizeBytes'>>

/** What was in the snapshot stands on it from now on. */
export function standOn(tree: StagingTree, node: StagingNode, state: NodeState, entry: StoredNode): void {
  const isSame = node.facts === state.facts && node.ranges === state.ranges
  tree.uncount(node)
  if (entry.objectId !== '') {
    if (!node.isDirectory) rebase(node, state, entry)
    node.base = entry.objectId
    node.baseBytes = node.isDirectory ? 0 : (entry.sizeBytes ?? 0)
  }
  if (!isSame) tree.count(node)
}

function rebase(node: StagingNode, state: NodeState, { objectId, sizeBytes = 0 }: StoredNode): void {
  if (objectId === '' || node.kind !== fileKind.regular) return
  node.smallBytes = 0
  if (node.ranges === state.ranges) {
    node.ranges = undefined
    node.stagedBytes = 0
    return
  }
  const ranges: Range[] = []
  for (const range of node.extents) {
    place(ranges, range)
    if (range.source !== 'spool') continue
    for (const frozen of slice(state.ranges ?? [], range.offset, range.offset + range.length)) {
      const isSame = frozen.source === 'spool' && frozen.generation === range.generation && frozen.offset + frozen.length <= sizeBytes
      const isThere = segmentOf(range) < 0 || frozen.lowerOffset - frozen.offset === range.lowerOffset - range.offset
      if (isSame && isThere) place(ranges, lowerRange(frozen.offset, frozen.length, objectId, frozen.offset))
    }
  }
  node.ranges = ranges
  node.stagedBytes = spoolBytes(ranges)
}

/** The table as records, for a new journal: the root and all that the lower tree does not have. Marks what is in it. */
export function* tableRecords(tree: StagingTree): Generator<Change[]> {
  const root = tree.get(tree.root)
  for (const node of tree.nodes.values()) {
    node.isStored = node === root || (node.facts.links > 0 && isKept(node)) || (node.facts.links === 0 && node.isStored)
    if (node.isStored) yield nodeRecord(node)
  }
  for (const node of tree.nodes.values()) {
    if (!node.isStored || node.children === undefined) continue
    const names: Change[] = []
    for (const [name, child] of node.children) {
      if (!(child instanceof StagingNode)) names.push({ type: 'name', directory: node.id, name, node: 0 })
      else if (child.isStored) names.push({ type: 'name', directory: node.id, name, node: child.id })
    }
    yield names
  }
  for (const node of tree.nodes.values()) if (node.isStored && !node.isCounted) yield [{ type: 'leftOut', node: node.id }]
}

function nodeRecord(node: StagingNode): Change[] {
  const changes: Change[] = [{ type: 'node', node: node.id, facts: node.facts }]
  const id = node.id
  if (node.base !== '') changes.push({ type: 'base', node: id, objectId: node.base, sizeBytes: node.baseBytes })
  if (node.target !== undefined) changes.push({ type: 'target', node: id, target: node.target })
  if (node.ranges !== undefined) changes.push({ type: 'size', node: id, sizeBytes: 0 })
  for (const range of node.ranges ?? []) changes.push({ type: 'range', node: id, range })
  for (const [name, value] of node.xattrs ?? []) changes.push({ type: 'xattr', node: id, name, value })
  return changes
}
