import { fileKind } from '#fuse/abi.ts'
import { errno } from '#fuse/errno.ts'
import type { AttributesChange, ByteName, Reply } from '#fuse/operations.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { MutableAttributes } from '../table.ts'
import type { NodeFacts } from './changes.ts'
import { readContent, seekContent } from './content.ts'
import { lowerRange, part, type Range, slice, spoolRange, zeroRange } from './extents.ts'
import { type FrozenState, freezeTree, standOn, tableRecords } from './freeze.ts'
import type { Journal, JournalHeader } from './journal.ts'
import { StagingNames } from './names.ts'
import type { StagingNode } from './node.ts'
import type { Spool } from './spool.ts'
import type { FlushPoint, ListedEntry, LowerTree, Owner, Staging, StagingOptions, StagingUsage } from './staging.ts'
import { changedAt, EFBIG, fail, type Moment, modifiedAt, momentOf, Transaction } from './transaction.ts'
import type { StagingTree } from './tree.ts'

const syncEveryMs = 5_000
const copyBytes = 1 << 20

export interface OverlayParts {
  readonly tree: StagingTree
  readonly journal: Journal
  readonly spool: Spool
  readonly lowerTree: LowerTree
  readonly options: StagingOptions
  readonly lower: Staging['lower']
  readonly release: () => void
  readonly header: JournalHeader
}

/** The overlay in use. See `Staging`. */
export class Overlay implements Staging {
  readonly root: number
  lower: Staging['lower']
  onChange: (() => void) | undefined
  private readonly names: StagingNames
  private readonly unsynced = new Set<StagingNode>()
  private openWriters = 0
  private lastFlushId: string
  private firstChangeMs: number | undefined
  private lastChangeMs: number | undefined
  private timer: NodeJS.Timeout | undefined

  constructor(private readonly parts: OverlayParts) {
    const { tree, journal, spool } = parts
    this.root = tree.root
    this.lower = parts.lower
    this.lastFlushId = parts.header.lastFlushId
    this.names = new StagingNames(tree, journal, spool, this.now, (node) => this.syncContent(node))
    tree.onGone = (node) => {
      this.unsynced.delete(node)
      if (node.ranges !== undefined) for (let g = 0; g <= node.generation; g++) spool.doom(node.id, g)
    }
    if (tree.counted.size > 0) this.firstChangeMs = this.lastChangeMs = this.nowMs()
  }

  private readonly now = (): Moment => momentOf(this.parts.options.nowNs())
  private readonly nowMs = (): number => Number(this.parts.options.nowNs() / 1_000_000n)

  private changed<T>(reply: Reply<T>): Reply<T> {
    if (reply instanceof Promise) return reply.then((value) => this.changed(value) as T)
    this.parts.spool.usedBytes = this.parts.tree.dirtyBytes
    this.lastChangeMs = this.nowMs()
    this.firstChangeMs ??= this.lastChangeMs
    if (this.timer === undefined) {
      this.timer = setTimeout(() => {
        this.timer = undefined
        this.syncAll().catch((error: unknown) => this.parts.options.warn(`the journal could not be synced: ${String(error)}`))
      }, syncEveryMs)
      this.timer.unref()
    }
    this.onChange?.()
    return reply
  }

  private after<T>(waiting: Reply<void>, go: () => T): Reply<T> {
    return waiting instanceof Promise ? waiting.then(go) : go()
  }

  lookup(parent: number, name: ByteName): Reply<number | undefined> {
    return this.after(this.parts.tree.ready(parent), () => this.parts.tree.find(parent, name))
  }

  attributes(node: number, into: MutableAttributes): void {
    this.parts.tree.attributes(node, into)
  }

  list(directory: number): Reply<readonly ListedEntry[]> {
    return this.after(this.parts.tree.ready(directory), () => this.parts.tree.list(directory))
  }

  parentOf(directory: number): number {
    return this.parts.tree.parentOf(directory)
  }

  readLink(id: number): Reply<Uint8Array> {
    if (this.parts.tree.kindOf(id) !== fileKind.symlink) fail(errno.EINVAL)
    const node = this.parts.tree.get(id)
    if (node.target !== undefined) return node.target
    return node.base === '' ? new Uint8Array(0) : this.parts.lowerTree.read(node.base, 0, 65_536)
  }

  read(id: number, offset: number, size: number): Reply<Uint8Array> {
    const row = this.parts.tree.objectOfRow(id)
    if (row === undefined) return readContent(this.parts.tree.get(id), offset, size, this.parts.spool, this.parts.lowerTree)
    if (row.kind === fileKind.directory) fail(errno.EISDIR)
    const length = Math.min(size, row.sizeBytes - offset)
    return row.objectId === '' || length <= 0 ? new Uint8Array(0) : this.parts.lowerTree.read(row.objectId, offset, length)
  }

  objectOf(id: number): { readonly objectId: ObjectId; readonly sizeBytes: number } | undefined {
    const row = this.parts.tree.objectOfRow(id)
    if (row !== undefined) return row.objectId === '' ? undefined : { objectId: row.objectId, sizeBytes: row.sizeBytes }
    const node = this.parts.tree.get(id)
    return node.base === '' || node.ranges !== undefined ? undefined : { objectId: node.base, sizeBytes: node.baseBytes }
  }

  remember(node: number): void {
    this.parts.tree.remember(node)
  }

  forget(node: number, count: number): void {
    this.parts.tree.forget(node, count)
  }

  opened(id: number, writing: boolean): void {
    const node = this.parts.tree.get(id)
    node.opens++
    if (!writing) return
    node.writers++
    this.openWriters++
  }

  closed(id: number, writing: boolean): void {
    const node = this.parts.tree.get(id)
    node.opens--
    if (writing) {
      node.writers--
      this.openWriters--
    }
    this.parts.tree.reap(node)
  }

  make(parent: number, name: ByteName, mode: number, owner: Owner): Reply<number> {
    const kind = mode & fileKind.mask
    if (kind === 0o020000 || kind === 0o060000) fail(errno.EPERM)
    return this.changed(this.names.make(parent, name, mode, owner))
  }

  makeUnnamed(parent: number, mode: number, owner: Owner): Reply<number> {
    return this.changed(this.names.make(parent, undefined, mode, owner))
  }

  makeLink(parent: number, name: ByteName, target: Uint8Array, owner: Owner): Reply<number> {
    return this.changed(this.names.make(parent, name, fileKind.symlink | 0o777, owner, Buffer.from(target)))
  }

  link(node: number, parent: number, name: ByteName): Reply<void> {
    return this.changed(this.names.link(node, parent, name))
  }

  unlink(parent: number, name: ByteName): Reply<void> {
    return this.changed(this.names.remove(parent, name, false))
  }

  removeDirectory(parent: number, name: ByteName): Reply<void> {
    return this.changed(this.names.remove(parent, name, true))
  }

  rename(parent: number, name: ByteName, newParent: number, newName: ByteName, flags: number): Reply<void> {
    return this.changed(this.names.rename(parent, name, newParent, newName, flags))
  }

  private begin(): Transaction {
    return new Transaction(this.parts.tree, this.parts.journal)
  }

  setAttributes(id: number, change: AttributesChange): Reply<void> {
    const node = this.parts.tree.get(id)
    const now = this.now()
    let facts = changedAt(node.facts, change.changed ?? now)
    if (change.sizeBytes !== undefined) facts = { ...facts, modifiedSeconds: now.seconds, modifiedNs: now.ns }
    if (change.mode !== undefined) facts = { ...facts, mode: node.kind | (change.mode & 0o7777) }
    if (change.uid !== undefined) facts = { ...facts, uid: change.uid }
    if (change.gid !== undefined) facts = { ...facts, gid: change.gid }
    if (change.accessed) facts = { ...facts, accessedSeconds: change.accessed.seconds, accessedNs: change.accessed.ns }
    if (change.modified) facts = { ...facts, modifiedSeconds: change.modified.seconds, modifiedNs: change.modified.ns }
    if (change.dropSetIds === true) facts = withoutSetIds(facts)
    const record = this.begin()
    record.facts(node, facts)
    if (change.sizeBytes !== undefined) {
      if (node.isDirectory) fail(errno.EISDIR)
      if (change.sizeBytes < 0 || !Number.isSafeInteger(change.sizeBytes)) fail(EFBIG)
      record.add({ type: 'size', node: id, sizeBytes: change.sizeBytes })
    }
    record.commit()
    if (change.sizeBytes === 0) this.leaveSpoolFile(node)
    return this.changed(undefined)
  }

  /** An emptied file goes on in a new spool file; the old one stays until the journal says on disk that it is not needed. */
  private leaveSpoolFile(node: StagingNode): void {
    if (!this.unsynced.has(node) && node.generation === 0 && !this.parts.spool.isOpen(node.id, 0)) return
    this.parts.spool.doom(node.id, node.generation++)
    node.unsynced = false
    this.unsynced.delete(node)
  }

  write(id: number, offset: number, data: Uint8Array, dropSetIds: boolean): Reply<void> {
    const node = this.parts.tree.get(id)
    if (!Number.isSafeInteger(offset + data.length)) fail(EFBIG)
    if (data.length === 0) return
    this.parts.spool.admit(data.length)
    this.parts.spool.write(id, node.generation, data, offset)
    node.unsynced = true
    this.unsynced.add(node)
    const facts = modifiedAt(dropSetIds ? withoutSetIds(node.facts) : node.facts, this.now())
    this.placeAll(node, facts, [spoolRange(offset, data.length, node.generation)])
    return this.changed(undefined)
  }

  private placeAll(node: StagingNode, facts: NodeFacts, ranges: readonly Range[]): void {
    const record = this.begin()
    record.facts(node, facts)
    for (const range of ranges) record.add({ type: 'range', node: node.id, range })
    record.commit()
  }

  allocate(id: number, offset: number, length: number, mode: number): Reply<void> {
    const node = this.parts.tree.get(id)
    if (offset < 0 || length <= 0) fail(errno.EINVAL)
    if (!Number.isSafeInteger(offset + length)) fail(EFBIG)
    const end = offset + length
    const facts = modifiedAt(node.facts, this.now())
    if (mode === 3) {
      const cut = Math.min(end, node.sizeBytes)
      this.placeAll(node, facts, cut > offset ? [zeroRange(offset, cut - offset)] : [])
    } else if (mode === 0 || mode === 1) {
      this.parts.spool.admit(Math.max(0, end - node.sizeBytes))
      this.placeAll(node, facts, mode === 0 && end > node.sizeBytes ? [zeroRange(node.sizeBytes, end - node.sizeBytes)] : [])
    } else fail(errno.EOPNOTSUPP)
    return this.changed(undefined)
  }

  seek(id: number, offset: number, whence: number): Reply<number> {
    return seekContent(this.parts.tree.get(id), offset, whence)
  }

  async copyRange(from: number, fromOffset: number, to: number, toOffset: number, length: number): Promise<number> {
    const source = this.parts.tree.get(from)
    const target = this.parts.tree.get(to)
    const end = Math.min(fromOffset + length, source.sizeBytes)
    if (end <= fromOffset) return 0
    const shift = toOffset - fromOffset
    if (!Number.isSafeInteger(end + shift)) fail(EFBIG)
    if (from === to && Math.abs(shift) < end - fromOffset) fail(errno.EINVAL)
    for (const range of slice(source.extents, fromOffset, end)) {
      if (range.source !== 'spool') {
        this.placeAll(target, modifiedAt(target.facts, this.now()), [{ ...range, offset: range.offset + shift }])
        continue
      }
      for (let at = range.offset; at < range.offset + range.length; at += copyBytes) {
        const piece = part(range, at, Math.min(at + copyBytes, range.offset + range.length))
        const bytes = Buffer.allocUnsafe(piece.length)
        this.parts.spool.read(from, piece.generation, bytes, piece.offset)
        await this.write(to, piece.offset + shift, bytes, false)
      }
    }
    this.changed(undefined)
    return end - fromOffset
  }

  copyObject(objectId: ObjectId, objectBytes: number, fromOffset: number, to: number, toOffset: number, length: number): Reply<number> {
    const target = this.parts.tree.get(to)
    const taken = Math.min(length, objectBytes - fromOffset)
    if (taken <= 0) return 0
    if (!Number.isSafeInteger(toOffset + taken)) fail(EFBIG)
    this.placeAll(target, modifiedAt(target.facts, this.now()), [lowerRange(toOffset, taken, objectId, fromOffset)])
    return this.changed(taken)
  }

  getXattr(id: number, name: ByteName): Uint8Array | undefined {
    return this.parts.tree.nodes.get(id)?.xattrs?.get(name)
  }

  listXattrs(id: number): readonly ByteName[] {
    return [...(this.parts.tree.nodes.get(id)?.xattrs?.keys() ?? [])]
  }

  setXattr(id: number, name: ByteName, value: Uint8Array, flags: number): Reply<void> {
    const has = this.getXattr(id, name) !== undefined
    if (this.parts.options.xattrs !== 'stage' || name.startsWith('system.')) fail(errno.EOPNOTSUPP)
    if ((flags & 1) !== 0 && has) fail(errno.EEXIST)
    if ((flags & 2) !== 0 && !has) fail(errno.ENODATA)
    return this.xattr(id, name, Buffer.from(value))
  }

  removeXattr(id: number, name: ByteName): Reply<void> {
    if (this.getXattr(id, name) === undefined) fail(errno.ENODATA)
    return this.xattr(id, name, undefined)
  }

  private xattr(id: number, name: ByteName, value: Uint8Array | undefined): Reply<void> {
    const node = this.parts.tree.get(id)
    const record = this.begin()
    record.facts(node, changedAt(node.facts, this.now()))
    record.add({ type: 'xattr', node: id, name, value })
    record.commit()
    return this.changed(undefined)
  }

  private async syncContent(node: StagingNode): Promise<void> {
    if (!this.unsynced.has(node)) return // it stays in the set until its bytes are on disk
    node.unsynced = false
    try {
      const used = new Set(node.extents.map((range) => (range.source === 'spool' ? range.generation : node.generation)))
      for (const generation of used) await this.parts.spool.sync(node.id, generation)
      if (!node.unsynced) this.unsynced.delete(node)
    } catch (error) {
      node.unsynced = true
      throw error
    }
  }

  async sync(id: number): Promise<void> {
    const node = this.parts.tree.nodes.get(id)
    if (node !== undefined) await this.syncContent(node)
    await this.syncJournal()
  }

  async syncAll(): Promise<void> {
    for (const node of [...this.unsynced]) await this.syncContent(node)
    await this.syncJournal()
    const { tree, journal } = this.parts
    if (journal.needsCheckpoint) await this.checkpoint(journal, tree)
  }

  private async syncJournal(): Promise<void> {
    const doomed = this.parts.spool.takeDoomed()
    await this.parts.journal.sync()
    this.parts.spool.remove(doomed)
  }

  usage(): StagingUsage {
    const { tree, spool } = this.parts
    let dirtyFiles = 0
    for (const node of tree.counted) if (node.ranges !== undefined) dirtyFiles++
    return {
      dirtyFiles,
      dirtyNodes: tree.counted.size,
      dirtyBytes: tree.dirtyBytes,
      spoolUsedBytes: spool.usedBytes,
      spoolLimitBytes: spool.limitNow,
      openWriters: this.openWriters,
      firstChangeMs: this.firstChangeMs,
      lastChangeMs: this.lastChangeMs,
    }
  }

  freeze(): FlushPoint {
    const { tree, spool, lowerTree } = this.parts
    const states = new Map<StagingNode, FrozenState>()
    let droppedXattrs = 0
    for (const node of tree.counted) droppedXattrs += node.xattrs?.size ?? 0
    spool.isHeld = tree.isFrozen = true
    const root = freezeTree(tree, spool, lowerTree, states) as FlushPoint['root']
    return {
      root,
      droppedXattrs,
      commit: (result) => this.commit(states, result),
      abandon: () => {
        spool.isHeld = tree.isFrozen = false
      },
    }
  }

  private checkpoint(journal: Journal, tree: StagingTree): Promise<void> {
    const header = { ...this.parts.header, lower: this.lower, lastFlushId: this.lastFlushId, nextNode: tree.nextNode }
    return journal.checkpoint(header, tableRecords(tree))
  }

  private async commit(states: ReadonlyMap<StagingNode, FrozenState>, result: Parameters<FlushPoint['commit']>[0]): Promise<void> {
    const { tree, spool, journal } = this.parts
    await this.syncAll()
    for (const [node, state] of states) {
      const entry = result.objects.get(node.id)
      if (entry !== undefined) standOn(tree, node, state, entry)
      else if (node.id === tree.root) standOn(tree, node, state, { objectId: result.rootObject } as DirectoryEntry)
      else if (node.facts === state.facts) {
        tree.uncount(node)
        node.isLeftOut = true
      }
      const inUse = new Set(node.ranges?.map((range) => (range.source === 'spool' ? range.generation : -1)))
      if (state.ranges !== undefined) for (let g = 0; g <= state.generation; g++) if (!inUse.has(g)) spool.doom(node.id, g)
    }
    this.lower = { snapshotId: result.snapshotId, rootObject: result.rootObject }
    this.lastFlushId = result.snapshotId
    await this.checkpoint(journal, tree)
    spool.isHeld = tree.isFrozen = false
    spool.remove(spool.takeDoomed())
    spool.usedBytes = tree.dirtyBytes
    this.firstChangeMs = tree.counted.size === 0 ? undefined : this.lastChangeMs
    if (tree.counted.size === 0) this.lastChangeMs = undefined
  }

  async close(): Promise<void> {
    clearTimeout(this.timer)
    await this.syncAll()
    this.parts.journal.close()
    this.parts.spool.close()
    this.parts.release()
  }
}

const withoutSetIds = (facts: NodeFacts): NodeFacts => {
  const { mode } = facts
  return { ...facts, mode: mode & ((mode & 0o010) !== 0 ? ~0o6000 : ~0o4000) }
}
