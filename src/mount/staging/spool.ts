import { join } from 'node:path'
import { errno, FuseError } from '#fuse/errno.ts'
import { type Range, segmentOf } from './extents.ts'
import { SpoolHandles } from './handles.ts'
import { readUpTo, Segments } from './segments.ts'
import type { SpoolCipher } from './spool-cipher.ts'
import { type SpoolFiles, writeFully } from './spool-files.ts'

/** How far the free space of the disk is trusted before it is asked for again. */
const recheckBytes = 64 * 1024 * 1024
/** Share of the limit above which writes are slowed down, and by how much at most (spec 08, 4.9). */
const slowShare = 0.9
const slowestMs = 100

interface SpoolFile {
  /** Bytes on disk at most, and end of what was written. */
  bytes: number
  end: number
}

/** The changed bytes: files `<2 hex>/<number>[.<generation>]`, sparse, with the same offsets as the file they belong to (spec 08, 4.2),
 *  and segments for the contents of small files. */
export class Spool {
  readonly segments: Segments
  /** Then all bytes are in segments: those of the others are overwritten in place. */
  readonly isEncrypted: boolean
  private readonly handles: SpoolHandles
  private readonly own = new Map<string, SpoolFile>()
  private ownBytes = 0
  private limit: number
  private sinceCheck = Number.POSITIVE_INFINITY
  /** Promised by fallocate(2). */
  reservedBytes = 0
  /** Removed once the journal no longer needs them. */
  private readonly doomed = new Set<string>()
  /** A flush point reads them: nothing is removed. */
  isHeld = false
  /** Called when the spool is full: removes what waits for a sync of the journal. */
  reclaim: () => void = () => undefined

  constructor(
    private readonly files: SpoolFiles,
    private readonly directory: string,
    private readonly firstNode: number,
    private readonly limitBytes: number,
    private readonly reserveBytes: number,
    cipher?: SpoolCipher,
  ) {
    this.isEncrypted = cipher !== undefined
    this.limit = limitBytes
    this.handles = new SpoolHandles(files, directory)
    this.segments = new Segments(this.handles, directory, cipher)
  }

  pathOf(node: number, generation: number): string {
    const number = node - this.firstNode
    const name = generation === 0 ? `${number}` : `${number}.${generation}`
    return join(this.directory, (number & 0xff).toString(16).padStart(2, '0'), name)
  }

  /** A file that was there when the staging area was opened. */
  found(path: string, sizeBytes: number, diskBytes: number): void {
    this.own.set(path, { bytes: diskBytes, end: sizeBytes })
    this.ownBytes += diskBytes
  }

  get limitNow(): number {
    return this.limit
  }

  get usedBytes(): number {
    return this.ownBytes + this.segments.usedBytes + this.reservedBytes
  }

  /** Throws ENOSPC when that many more bytes do not fit; `promised` = those of them that are reserved. */
  admit(bytes: number, promised = 0): void {
    if (this.fits(bytes - promised)) return
    if (!this.isHeld) this.reclaim()
    this.sinceCheck = Number.POSITIVE_INFINITY
    if (this.fits(bytes - promised)) return
    this.sinceCheck = Number.POSITIVE_INFINITY // there may be room again next time
    throw new FuseError(errno.ENOSPC, 'the spool is full; flush it or give it more room')
  }

  private fits(bytes: number): boolean {
    this.sinceCheck += bytes
    if (this.sinceCheck > recheckBytes) {
      this.sinceCheck = 0
      this.limit = Math.min(this.limitBytes, this.usedBytes + Math.max(0, this.files.freeBytes(this.directory) - this.reserveBytes))
    }
    return this.usedBytes + bytes <= this.limit
  }

  /** How long a write has to wait, so that a flush keeps pace. */
  get delayMs(): number {
    const share = this.usedBytes / this.limit
    return share <= slowShare ? 0 : Math.min(slowestMs, Math.ceil(((share - slowShare) / (1 - slowShare)) * slowestMs))
  }

  has(node: number, generation: number): boolean {
    return this.own.has(this.pathOf(node, generation))
  }

  write(node: number, generation: number, data: Uint8Array, offset: number): void {
    const path = this.pathOf(node, generation)
    let file = this.own.get(path)
    const fd = this.handles.get(path, file === undefined)
    if (file === undefined) {
      file = { bytes: 0, end: 0 }
      this.own.set(path, file)
    }
    const end = Math.max(file.end, offset + data.length)
    this.measured(file, Math.max(file.bytes, Math.min(file.bytes + data.length, end)), end)
    writeFully(this.files, fd, data, offset)
  }

  private measured(file: SpoolFile, bytes: number, end: number): void {
    this.ownBytes += bytes - file.bytes
    file.bytes = bytes
    file.end = end
  }

  /** Fills `into` with bytes from the start of `range`. EIO when the spool does not have them. */
  read(node: number, range: Range, into: Uint8Array): void {
    const segment = segmentOf(range)
    const got =
      segment >= 0
        ? this.segments.read(segment, into, range.lowerOffset)
        : readUpTo(this.handles, this.handles.get(this.pathOf(node, range.generation), false), into, range.offset)
    if (got < into.length)
      throw new FuseError(errno.EIO, `the spool file of node ${node - this.firstNode} is shorter than what was written`)
  }

  /** Puts those bytes of a file on disk. `ranges`: all that it has. */
  async sync(node: number, generation: number, ranges: readonly Range[]): Promise<void> {
    const path = this.pathOf(node, generation)
    const file = this.own.get(path)
    if (file === undefined) return
    await this.handles.sync(path, () => this.rewrite(node, generation, ranges))
    const now = this.files.stat(path)
    if (now !== undefined && this.own.get(path) === file) this.measured(file, now.diskBytes, file.end)
  }

  private rewrite(node: number, generation: number, ranges: readonly Range[]): void {
    const page = Buffer.allocUnsafe(1 << 20)
    for (const range of ranges) {
      if (range.source !== 'spool' || range.generation !== generation) continue
      for (let at = 0; at < range.length; at += page.length) {
        const piece = page.subarray(0, Math.min(page.length, range.length - at))
        this.read(node, { ...range, offset: range.offset + at }, piece)
        writeFully(this.files, this.handles.get(this.pathOf(node, generation), false), piece, range.offset + at)
      }
    }
  }

  /** To be removed after the next sync of the journal: the spool files of a node up to a generation, without those in use. */
  doom(node: number, upTo: number, inUse?: ReadonlySet<number>): void {
    for (let generation = 0; generation <= upTo; generation++) {
      if (inUse?.has(generation) === true) continue
      const path = this.pathOf(node, generation)
      if (this.own.has(path)) this.doomed.add(path)
    }
  }

  doomSegments(segments: readonly number[]): void {
    for (const segment of segments) this.doomed.add(this.segments.pathOf(segment))
  }

  takeDoomed(): string[] {
    if (this.isHeld) return []
    const taken = [...this.doomed]
    this.doomed.clear()
    return taken
  }

  remove(paths: readonly string[]): void {
    for (const path of paths) {
      if (this.segments.remove(path)) continue
      const file = this.own.get(path)
      if (file !== undefined) this.measured(file, 0, 0)
      this.own.delete(path)
      this.handles.remove(path)
    }
  }

  /** End of the spool file, and cutting it: what lies behind is needed by nobody. */
  endOf(node: number, generation: number): number {
    return this.own.get(this.pathOf(node, generation))?.end ?? 0
  }

  cut(node: number, generation: number, end: number): void {
    const path = this.pathOf(node, generation)
    const file = this.own.get(path)
    if (file === undefined || file.end <= end) return
    this.files.truncate(this.handles.get(path, false), end)
    this.measured(file, Math.min(file.bytes, end), end)
  }

  /** Gives back the space of ranges that nobody needs: start and end of each. */
  punch(node: number, generation: number, holes: readonly (readonly [number, number])[]): void {
    const path = this.pathOf(node, generation)
    const file = this.own.get(path)
    if (file === undefined || holes.length === 0) return
    const fd = this.handles.get(path, false)
    for (const [start, end] of holes) this.files.punch(fd, start, end - start)
    const now = this.files.stat(path)
    if (now !== undefined) this.measured(file, Math.min(file.bytes, now.diskBytes), file.end)
  }

  close(): void {
    this.handles.close()
  }
}
