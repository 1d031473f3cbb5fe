import { fileKind } from '#fuse/abi.ts'
import { errno, FuseError } from '#fuse/errno.ts'
import type { AttributesChange, ByteName, Reply } from '#fuse/operations.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { MutableAttributes } from '../table.ts'
import type { NodeFacts } from './changes.ts'
import { readContent, seekContent } from './content.ts'
import { StagingContents } from './contents.ts'
import { FlushPoints } from './flush-points.ts'
import { tableRecords } from './freeze.ts'
import { StagingNames } from './names.ts'
import type { OverlayParts } from './overlay-parts.ts'
import type { FlushPoint, ListedEntry, Owner, Staging, StagingUsage } from './staging.ts'
import { changedAt, EFBIG, fail, type Moment, modifiedAt, momentOf, Transaction } from './transaction.ts'

const syncEveryMs = 5_000
/** Bytes of segments after which those nobody uses are looked for. */
const segmentScanBytes = 128 * 1024 * 1024
/** How long an operation waits for room in the spool while a flush makes it: a caller that waits longer keeps the machine from being suspended
 *  (spec 08, 2). */
const roomWaitMs = 15_000

/** The overlay in use. See `Staging`. */
export class Overlay implements Staging {
  readonly root: number
  lower: Staging['lower']
  onChange: (() => void) | undefined
  onFull: (() => Promise<void> | undefined) | undefined
  private readonly names: StagingNames
  private readonly contents: StagingContents
  private readonly points: FlushPoints
  private scannedBytes = 0
  private isEnded = false
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
    this.contents = new StagingContents(tree, journal, spool, this.now, parts.options.smallFileBytes)
    this.names = new StagingNames(tree, journal, spool, this.now, this.contents)
    this.points = new FlushPoints(parts, {
      syncAll: () => this.syncAll(),
      checkpoint: () => this.checkpoint(),
      stand: (lower) => {
        this.lower = lower
        this.lastFlushId = lower?.snapshotId ?? this.lastFlushId
      },
      committed: () => this.committed(),
    })
    tree.onGone = (node) => this.contents.gone(node)
    spool.reclaim = () => {
      const remove = this.contents.removable()
      this.dropSegments()
      journal.syncNow()
      remove()
    }
    if (tree.counted.size > 0) this.firstChangeMs = this.lastChangeMs = this.nowMs()
  }

  private readonly now = (): Moment => momentOf(this.parts.options.nowNs())
  private readonly nowMs = (): number => Number(this.parts.options.nowNs() / 1_000_000n)

  private changed<T>(reply: Reply<T>): Reply<T> {
    if (reply instanceof Promise) return reply.then((value) => this.changed(value) as T)
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

  /** Does what needs room in the spool; when it is full and a flush is under way, once there is some. */
  private withRoom<T>(go: () => Reply<T>, untilMs = Number.NaN): Reply<T> {
    const retry = (error: unknown): Reply<T> => {
      const nowMs = performance.now()
      const deadlineMs = Number.isNaN(untilMs) ? nowMs + roomWaitMs : untilMs
      const isFull = error instanceof FuseError && error.errno === errno.ENOSPC
      const room = isFull && nowMs < deadlineMs ? this.onFull?.() : undefined
      if (room === undefined) throw error
      return room.then(() => this.withRoom(go, deadlineMs))
    }
    try {
      const reply = go()
      return reply instanceof Promise ? reply.catch(retry) : reply
    } catch (error) {
      return retry(error)
    }
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
    this.parts.tree.touch(node)
    node.writers++
    this.openWriters++
  }

  closed(id: number, writing: boolean): void {
    const node = this.parts.tree.get(id)
    node.opens--
    if (writing) {
      this.parts.tree.touch(node)
      node.writers--
      this.openWriters--
    }
    this.parts.tree.reap(node)
  }

  make(parent: number, name: ByteName, mode: number, owner: Owner): Reply<number> {
    const kind = mode & fileKind.mask
    if (kind === 0o020000 || kind === 0o060000) fail(errno.EPERM)
    return this.changed(this.withRoom(() => this.names.make(parent, name, mode, owner)))
  }

  makeUnnamed(parent: number, mode: number, owner: Owner): Reply<number> {
    return this.changed(this.withRoom(() => this.names.make(parent, undefined, mode, owner)))
  }

  makeLink(parent: number, name: ByteName, target: Uint8Array, owner: Owner): Reply<number> {
    const text = Buffer.from(target)
    return this.changed(this.withRoom(() => this.names.make(parent, name, fileKind.symlink | 0o777, owner, text)))
  }

  link(node: number, parent: number, name: ByteName): Reply<void> {
    return this.changed(this.withRoom(() => this.names.link(node, parent, name)))
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
    const changesOwner = (change.uid !== undefined || change.gid !== undefined) && change.mode === undefined && !node.isDirectory
    if (change.dropSetIds === true || changesOwner) facts = withoutSetIds(facts)
    const record = this.begin()
    record.facts(node, facts)
    if (change.sizeBytes !== undefined) {
      if (node.isDirectory) fail(errno.EISDIR)
      if (change.sizeBytes < 0 || !Number.isSafeInteger(change.sizeBytes)) fail(EFBIG)
      record.add({ type: 'size', node: id, sizeBytes: change.sizeBytes })
    }
    record.commit()
    if (change.sizeBytes !== undefined) this.contents.resized(node)
    return this.changed(undefined)
  }

  write(id: number, offset: number, data: Uint8Array, dropSetIds: boolean): Reply<void> {
    const node = this.parts.tree.get(id)
    if (data.length === 0) return
    return this.withRoom(() => {
      this.contents.write(node, offset, data, modifiedAt(dropSetIds ? withoutSetIds(node.facts) : node.facts, this.now()))
      this.changed(undefined)
      return this.slowedDown()
    })
  }

  /** Held back when the spool is nearly full, so that a flush keeps pace (spec 08, 4.9). */
  private slowedDown(): Reply<void> {
    const { delayMs } = this.parts.spool
    return delayMs === 0 ? undefined : new Promise((resolve) => setTimeout(resolve, delayMs))
  }

  allocate(id: number, offset: number, length: number, mode: number): Reply<void> {
    return this.changed(this.withRoom(() => this.contents.allocate(this.parts.tree.get(id), offset, length, mode)))
  }

  seek(id: number, offset: number, whence: number): Reply<number> {
    return seekContent(this.parts.tree.get(id), offset, whence)
  }

  copyRange(from: number, fromOffset: number, to: number, toOffset: number, length: number): Reply<number> {
    const { tree } = this.parts
    return this.changed(this.contents.copyRange(tree.get(from), fromOffset, tree.get(to), toOffset, length))
  }

  copyObject(objectId: ObjectId, objectBytes: number, fromOffset: number, to: number, toOffset: number, length: number): Reply<number> {
    const target = this.parts.tree.get(to)
    return this.changed(this.contents.copyObject(objectId, objectBytes, fromOffset, target, toOffset, length))
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

  async sync(id: number): Promise<void> {
    const node = this.parts.tree.nodes.get(id)
    if (node !== undefined) await this.contents.sync(node)
    await this.syncJournal()
  }

  async syncAll(): Promise<void> {
    await this.contents.syncAll()
    const { journal, spool } = this.parts
    const isGrown = spool.segments.usedBytes > this.scannedBytes + segmentScanBytes
    if (isGrown) this.dropSegments()
    if (!journal.needsCheckpoint) return this.syncJournal()
    await this.checkpoint()
  }

  private dropSegments(): void {
    const { spool } = this.parts
    if (!spool.isHeld && !this.parts.tree.isAhead) spool.doomSegments(this.contents.unusedSegments())
    this.scannedBytes = spool.segments.usedBytes
  }

  private async syncJournal(): Promise<void> {
    if (this.isEnded) return
    if (this.parts.journal.mustBeRewritten) return this.checkpoint()
    const remove = this.contents.removable()
    await this.parts.journal.sync()
    remove()
  }

  usage(): StagingUsage {
    const { tree, spool } = this.parts
    return {
      dirtyFiles: tree.dirtyFiles,
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
    return this.points.freeze()
  }

  /** The whole table as a new journal; what only the old one needed leaves the disk. */
  private async checkpoint(): Promise<void> {
    const { tree, journal, header, options } = this.parts
    while (journal.isSyncing) await journal.settled()
    if (this.isEnded) return
    const remove = this.contents.removable()
    const nextNode = tree.nextNode - options.firstNode
    journal.checkpoint({ ...header, lower: this.lower, lastFlushId: this.lastFlushId, nextNode }, tableRecords(tree))
    tree.isAhead = false
    remove()
  }

  private committed(): void {
    this.dropSegments()
    this.syncJournal().catch((error: unknown) => this.parts.options.warn(`the journal could not be synced: ${String(error)}`))
    const { size } = this.parts.tree.counted
    this.firstChangeMs = size === 0 ? undefined : this.lastChangeMs
    if (size === 0) this.lastChangeMs = undefined
  }

  async close(): Promise<void> {
    clearTimeout(this.timer)
    try {
      await this.syncAll()
    } finally {
      while (this.parts.journal.isSyncing) await this.parts.journal.settled()
      this.end()
    }
  }

  private end(): void {
    if (this.isEnded) return
    this.isEnded = true
    this.parts.journal.close()
    this.parts.spool.close()
    this.parts.release()
  }
}

const withoutSetIds = (facts: NodeFacts): NodeFacts => {
  const { mode } = facts
  return { ...facts, mode: mode & ((mode & 0o010) !== 0 ? ~0o6000 : ~0o4000) }
}
