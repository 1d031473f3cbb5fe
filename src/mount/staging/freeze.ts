import { fileKind } from '#fuse/abi.ts'
import type { ByteName } from '#fuse/operations.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { Change, NodeFacts } from './changes.ts'
import { readContent } from './content.ts'
import { lowerRange, place, type Range, segmentOf, slice, spoolBytes } from './extents.ts'
import { StagingNode } from './node.ts'
import type { Spool } from './spool.ts'
import type { FrozenAttributes, FrozenNode, LowerTree } from './staging.ts'
import type { StagingTree } from './tree.ts'

export interface FrozenState {
  readonly facts: NodeFacts
  readonly ranges: readonly Range[] | undefined
  /** Last spool file of that moment, -1 = none. */
  readonly generation: number
}

type FrozenChild = FrozenNode | DirectoryEntry | undefined

const attributesOf = (facts: NodeFacts): FrozenAttributes => ({
  mode: facts.mode,
  uid: facts.uid,
  gid: facts.gid,
  modifiedNs: BigInt(facts.modifiedSeconds) * 1_000_000_000n + BigInt(facts.modifiedNs),
})

/** Takes one moment of the tree: records are copied, bytes stay where they are, since writers go on in spool files of a new generation. */
export function freezeTree(tree: StagingTree, spool: Spool, lower: LowerTree, states: Map<StagingNode, FrozenState>): FrozenNode {
  spool.segments.roll()
  const freeze = (node: StagingNode): FrozenNode | DirectoryEntry => {
    const attributes = attributesOf(node.facts)
    states.set(node, { facts: node.facts, ranges: node.ranges, generation: node.ranges === undefined ? -1 : node.generation })
    if (node.children !== undefined) return directory(node, node.children, attributes)
    if (node.kind === fileKind.regular) return file(node, attributes, spool, lower)
    if (node.kind !== fileKind.symlink) return { kind: 'special', node: node.id, attributes }
    if (node.target !== undefined) return { kind: 'link', node: node.id, attributes, target: node.target }
    const { mode, uid, gid, modifiedNs } = attributes
    return { name: '', type: 's', mode: mode & 0o7777, sizeBytes: node.baseBytes, modifiedNs, uid, gid, objectId: node.base }
  }
  const directory = (
    node: StagingNode,
    children: Map<ByteName, StagingNode | 'gone' | 'hidden'>,
    attributes: FrozenAttributes,
  ): FrozenNode => {
    const entries: [ByteName, FrozenChild][] = []
    for (const [name, child] of children) {
      if (!(child instanceof StagingNode)) entries.push([name, undefined])
      else if (isKept(child)) entries.push([name, named(freeze(child), name)])
    }
    const changed = node.isCounted || entries.some(([, child]) => isChanged(child, tree))
    return {
      kind: 'directory',
      node: node.id,
      attributes,
      lower: node.base === '' ? undefined : node.base,
      changed,
      changes: () => entries,
    }
  }
  return freeze(tree.get(tree.root)) as FrozenNode
}

const isChanged = (child: FrozenChild, tree: StagingTree): boolean =>
  child !== undefined && (!('kind' in child) || (child.kind === 'directory' && child.changed) || tree.get(child.node).isCounted)

const named = (child: FrozenNode | DirectoryEntry, name: ByteName): FrozenNode | DirectoryEntry =>
  'kind' in child ? child : { ...child, name: Buffer.from(name, 'latin1').toString() }

function file(node: StagingNode, attributes: FrozenAttributes, spool: Spool, lower: LowerTree): FrozenNode {
  const { id, sizeBytes, extents } = node
  if (node.ranges !== undefined) {
    node.isShared = true
    node.generation++
  }
  return {
    kind: 'file',
    node: id,
    attributes,
    sizeBytes,
    extents: extents.map(({ offset, length, source, objectId, lowerOffset }) =>
      source === 'lower' && objectId !== '' ? { offset, length, source, objectId, lowerOffset } : { offset, length, source },
    ),
    lower: node.base === '' ? undefined : node.base,
    isBeingWritten: node.writers > 0,
    read: (offset, size) => readContent({ id, sizeBytes, extents }, offset, size, spool, lower),
  }
}

/** True for nodes that the lower tree does not have as they are. */
export function isKept(node: StagingNode): boolean {
  if (node.isCounted || node.isLeftOut || (node.isStored && node.hadLinks)) return true
  for (const child of node.children?.values() ?? []) if (child instanceof StagingNode && isKept(child)) return true
  return false
}

export type StoredNode = Pick<DirectoryEntry, 'objectId'> & Partial<Pick<DirectoryEntry, 'sizeBytes'>>

/** What was in the snapshot stands on it from now on. */
export function standOn(tree: StagingTree, node: StagingNode, state: FrozenState, entry: StoredNode): void {
  const isSame = node.facts === state.facts && node.ranges === state.ranges
  tree.uncount(node)
  if (entry.objectId !== '') {
    if (!node.isDirectory) rebase(node, state, entry)
    node.base = entry.objectId
    node.baseBytes = node.isDirectory ? 0 : (entry.sizeBytes ?? 0)
  }
  if (!isSame) tree.count(node)
}

function rebase(node: StagingNode, state: FrozenState, { objectId, sizeBytes = 0 }: StoredNode): void {
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
