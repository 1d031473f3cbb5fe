import { errno } from '#fuse/errno.ts'
import type { Reply } from '#fuse/operations.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { NodeFacts } from './changes.ts'
import { common, gapsIn, lowerRange, part, type Range, segmentOf, segmentRange, slice, spoolRange, zeroRange } from './extents.ts'
import type { Journal } from './journal.ts'
import type { StagingNode } from './node.ts'
import type { Spool } from './spool.ts'
import { EFBIG, fail, type Moment, modifiedAt, Transaction } from './transaction.ts'
import type { StagingTree } from './tree.ts'

const copyBytes = 1 << 20
/** What a file may write to segments before it gets a spool file of its own. */
const defaultSmallBytes = 256 * 1024

/** Operations on the bytes of files (spec 08, 4.2 and 4.3). */
export class StagingContents {
  /** Files with bytes that may not be on disk. A file stays in it until they are. */
  private readonly unsynced = new Set<StagingNode>()
  private readonly shrunk = new Set<StagingNode>()
  /** Files that may have bytes in their spool file that they do not show any more. */
  private readonly holed = new Set<StagingNode>()

  constructor(
    private readonly tree: StagingTree,
    private readonly journal: Journal,
    private readonly spool: Spool,
    private readonly now: () => Moment,
    private readonly smallBytes = defaultSmallBytes,
  ) {}

  isUnsynced(node: StagingNode): boolean {
    return this.unsynced.has(node)
  }

  write(node: StagingNode, offset: number, data: Uint8Array, facts: NodeFacts): void {
    if (!Number.isSafeInteger(offset + data.length)) fail(EFBIG)
    this.place(node, facts, [this.staged(node, offset, data)])
  }

  /** Puts bytes into the spool; they are the file's once a record says so. */
  private staged(node: StagingNode, offset: number, data: Uint8Array): Range {
    const promised = Math.min(node.reservedBytes, data.length)
    this.spool.admit(data.length, promised)
    this.tree.touch(node)
    const range = this.store(node, offset, data)
    node.reservedBytes -= promised
    this.spool.reservedBytes -= promised
    this.markUnsynced(node)
    return range
  }

  private store(node: StagingNode, offset: number, data: Uint8Array): Range {
    const isSmall = node.smallBytes + data.length <= this.smallBytes && !this.spool.has(node.id, node.generation)
    if (!isSmall && !this.spool.isEncrypted) {
      this.spool.write(node.id, node.generation, data, offset)
      return spoolRange(offset, data.length, node.generation)
    }
    const { segment, at } = this.spool.segments.write(data)
    node.smallBytes += data.length
    return segmentRange(offset, data.length, segment, at)
  }

  private markUnsynced(node: StagingNode): void {
    node.unsynced = true
    this.unsynced.add(node)
  }

  /** One record, so that after a crash all of the ranges are the file's or none is. */
  private place(node: StagingNode, facts: NodeFacts, ranges: readonly Range[]): void {
    const record = new Transaction(this.tree, this.journal)
    record.facts(node, facts)
    for (const range of ranges) record.add({ type: 'range', node: node.id, range })
    const before = node.stagedBytes
    record.commit()
    if (ranges.length === 0 || node.stagedBytes >= before) return
    this.holed.add(node)
    this.shrunk.add(node)
  }

  /** After the size was set. An emptied file goes on in a new spool file; the old one stays until the journal says on disk that it is
   *  not needed. */
  resized(node: StagingNode): void {
    this.release(node)
    if (node.sizeBytes > 0) {
      this.shrunk.add(node)
      return
    }
    node.smallBytes = 0
    if (!this.spool.has(node.id, node.generation)) return
    this.spool.doom(node.id, node.generation)
    node.generation++
    node.unsynced = false
    this.unsynced.delete(node)
  }

  private release(node: StagingNode): void {
    this.spool.reservedBytes -= node.reservedBytes
    node.reservedBytes = 0
  }

  /** The node can no longer be reached. */
  gone(node: StagingNode): void {
    this.release(node)
    this.unsynced.delete(node)
    this.shrunk.delete(node)
    this.holed.delete(node)
    this.spool.doom(node.id, node.generation)
  }

  allocate(node: StagingNode, offset: number, length: number, mode: number): void {
    if (offset < 0 || length <= 0) fail(errno.EINVAL)
    if (!Number.isSafeInteger(offset + length)) fail(EFBIG)
    const end = offset + length
    const facts = modifiedAt(node.facts, this.now())
    if (mode === 3) {
      const cut = Math.min(end, node.sizeBytes)
      this.place(node, facts, cut > offset ? [zeroRange(offset, cut - offset)] : [])
    } else if (mode === 0 || mode === 1) {
      let bytes = length
      for (const range of slice(node.extents, offset, end)) if (range.source === 'spool') bytes -= range.length
      this.spool.admit(bytes, node.reservedBytes)
      this.place(node, facts, mode === 0 && end > node.sizeBytes ? [zeroRange(node.sizeBytes, end - node.sizeBytes)] : [])
      if (bytes > node.reservedBytes) this.spool.reservedBytes += bytes - node.reservedBytes
      node.reservedBytes = Math.max(bytes, node.reservedBytes)
    } else fail(errno.EOPNOTSUPP)
  }

  copyRange(source: StagingNode, fromOffset: number, target: StagingNode, toOffset: number, length: number): number {
    const end = Math.min(fromOffset + length, source.sizeBytes)
    if (end <= fromOffset) return 0
    const shift = toOffset - fromOffset
    if (!Number.isSafeInteger(end + shift)) fail(EFBIG)
    if (source === target && Math.abs(shift) < end - fromOffset) fail(errno.EINVAL)
    const taken: Range[] = []
    for (const range of slice(source.extents, fromOffset, end)) {
      if (range.source !== 'spool' || segmentOf(range) >= 0) {
        taken.push({ ...range, offset: range.offset + shift }) // bytes in a segment never change
        if (range.source === 'spool' && this.unsynced.has(source)) this.markUnsynced(target)
        continue
      }
      for (let at = range.offset; at < range.offset + range.length; at += copyBytes) {
        const piece = part(range, at, Math.min(at + copyBytes, range.offset + range.length))
        const bytes = Buffer.allocUnsafe(piece.length)
        this.spool.read(source.id, piece, bytes)
        taken.push(this.staged(target, piece.offset + shift, bytes))
      }
    }
    this.place(target, modifiedAt(target.facts, this.now()), taken)
    return end - fromOffset
  }

  copyObject(objectId: ObjectId, objectBytes: number, fromOffset: number, target: StagingNode, toOffset: number, length: number): number {
    const taken = Math.min(length, objectBytes - fromOffset)
    if (taken <= 0) return 0
    if (!Number.isSafeInteger(toOffset + taken)) fail(EFBIG)
    this.place(target, modifiedAt(target.facts, this.now()), [lowerRange(toOffset, taken, objectId, fromOffset)])
    return taken
  }

  /** The bytes of a file are on disk when it resolves. */
  sync(node: StagingNode): Reply<void> {
    return this.unsynced.has(node) ? this.syncNow(node) : undefined
  }

  private async syncNow(node: StagingNode): Promise<void> {
    node.unsynced = false
    try {
      const ranges = [...node.extents]
      const used = new Set(ranges.map((range) => (range.source === 'spool' ? range.generation : node.generation)))
      for (const generation of used) {
        if (generation < 0) await this.spool.segments.sync(-1 - generation)
        else await this.spool.sync(node.id, generation, ranges)
      }
      if (!node.unsynced) this.unsynced.delete(node)
    } catch (error) {
      node.unsynced = true
      throw error
    }
  }

  async syncAll(): Promise<void> {
    for (const node of [...this.unsynced]) await this.syncNow(node)
  }

  /** What can leave the disk once the journal, as it is now, is synced. Returns what does it. */
  removable(): () => void {
    const doomed = this.spool.takeDoomed()
    if (this.spool.isHeld) return () => this.spool.remove(doomed)
    const cuts = [...this.shrunk].map((node) => ({ node, generation: node.generation, end: endIn(node) }))
    const holes = [...this.holed].map((node) => ({ node, generation: node.generation, gaps: gapsIn(node.ranges, node.generation) }))
    this.shrunk.clear()
    this.holed.clear()
    return () => {
      this.spool.remove(doomed)
      if (this.spool.isHeld) return
      for (const { node, generation, end } of cuts)
        if (node.generation === generation) this.spool.cut(node.id, generation, Math.max(end, endIn(node)))
      for (const { node, generation, gaps } of holes)
        if (node.generation === generation) this.spool.punch(node.id, generation, common(gaps, gapsIn(node.ranges, generation)))
    }
  }

  /** Segments that no file has bytes in. */
  unusedSegments(): number[] {
    const used = new Set<number>()
    for (const node of this.tree.nodes.values()) for (const range of node.ranges ?? []) used.add(segmentOf(range))
    return this.spool.segments.unused(used)
  }
}

/** Where the bytes of the current spool file end that the file still has. */
function endIn(node: StagingNode): number {
  const { ranges, generation } = node
  for (let i = (ranges?.length ?? 0) - 1; i >= 0; i--) {
    const range = ranges?.[i]
    if (range?.source === 'spool' && range.generation === generation) return range.offset + range.length
  }
  return 0
}
