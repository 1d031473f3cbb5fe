import { LRUCache } from 'lru-cache'
import { errno, FuseError } from '#fuse/errno.ts'
import type { Reply } from '#fuse/operations.ts'
import type { ObjectId, ObjectManager } from '#repo/object/object.ts'
import { isIndirect } from '#repo/object/object-id.ts'
import { withDeadline } from './deadline.ts'
import { type ObjectSegments, openSegments } from './object-segments.ts'
import type { SegmentCache } from './segment-cache.ts'

/** Indirect objects whose lists of parts are kept. */
const openObjects = 256
/** A reader that moves forward gets this much ahead, doubled at each step up to the maximum. */
const firstAheadBytes = 4 << 20
const maxAheadBytes = 24 << 20
/** Reads of one reader overtake each other by the kernel's own read-ahead. */
const slackBytes = 4 << 20
const nothing = new Uint8Array(0)

/** Where a reader of one open file is. */
export interface ReadPosition {
  /** End of the last read. */
  next: number
  aheadBytes: number
  /** Up to here parts were asked for ahead. */
  aheadTo: number
}

export const startPosition = (): ReadPosition => ({ next: 0, aheadBytes: 0, aheadTo: 0 })

/** Reads ranges of objects through the segment cache, with read-ahead for readers that move forward. */
export class FileReader {
  private readonly indirect = new LRUCache<ObjectId, Promise<ObjectSegments>>({ max: openObjects })

  constructor(
    private readonly objects: ObjectManager,
    private readonly cache: SegmentCache,
    private readonly timeoutMs: number,
  ) {}

  /** Bytes [offset, offset + size) of the object, fewer at its end: at once when they are in memory, else a promise. The result is a view
   *  that must not be changed. Rejects with what reading the object throws, or FuseError(ETIMEDOUT). */
  read(id: ObjectId, offset: number, size: number, position: ReadPosition): Reply<Uint8Array> {
    if (!isIndirect(id)) {
      const whole = this.cache.peek(wholeKey(id))
      if (whole !== undefined) return whole.subarray(offset, offset + size)
      return this.bounded(id, this.loadWhole(id)).then((bytes) => bytes.subarray(offset, offset + size))
    }
    return this.bounded(id, this.readIndirect(id, offset, size, position))
  }

  private bounded<T>(id: ObjectId, work: Promise<T>): Promise<T> {
    return withDeadline(work, this.timeoutMs, `reading object ${id}`)
  }

  private loadWhole(id: ObjectId): Promise<Uint8Array> {
    return this.cache.get(wholeKey(id), async () => {
      const segments = await openSegments(this.objects, id)
      return segments.sizeBytes === 0 ? nothing : segments.load(0, segments.segmentAt(0).end)
    })
  }

  private open(id: ObjectId): Promise<ObjectSegments> {
    const known = this.indirect.get(id)
    if (known !== undefined) return known
    const opening = openSegments(this.objects, id)
    this.indirect.set(id, opening)
    opening.catch(() => this.indirect.delete(id))
    return opening
  }

  private async readIndirect(id: ObjectId, offset: number, size: number, position: ReadPosition): Promise<Uint8Array> {
    const object = await this.open(id)
    const end = Math.min(offset + size, object.sizeBytes)
    if (offset >= end) return nothing
    const own = this.segment(id, object, offset)
    this.readAhead(id, object, offset, end, position)
    const first = await own
    if (end <= first.end) return first.bytes.subarray(offset - first.start, end - first.start)
    const out = Buffer.allocUnsafe(end - offset)
    out.set(first.bytes.subarray(offset - first.start), 0)
    for (let done = first.end - offset; done < out.length; ) {
      const part = await this.segment(id, object, offset + done)
      const from = offset + done - part.start
      const taken = Math.min(part.bytes.length - from, out.length - done)
      if (taken <= 0) throw new FuseError(errno.EIO, `object ${id} is shorter than it says`)
      out.set(part.bytes.subarray(from, from + taken), done)
      done += taken
    }
    return out
  }

  private async segment(id: ObjectId, object: ObjectSegments, offset: number): Promise<{ start: number; end: number; bytes: Uint8Array }> {
    const { start, end } = object.segmentAt(offset)
    const bytes = await this.cache.get(segmentKey(id, start), () => object.load(start, end))
    return { start, end, bytes }
  }

  /** Asks for what a forward reader wants next. */
  private readAhead(id: ObjectId, object: ObjectSegments, offset: number, end: number, position: ReadPosition): void {
    const isForward = offset >= position.next - slackBytes && offset <= position.next + slackBytes
    if (!isForward) {
      position.aheadBytes = 0
      position.aheadTo = 0
      position.next = end
      return
    }
    // The first read of a file says nothing yet.
    if (position.next > 0)
      position.aheadBytes = Math.min(Math.max(firstAheadBytes, position.aheadBytes * 2), maxAheadBytes, this.cache.maxBytes / 4)
    position.next = Math.max(position.next, end)
    const limit = Math.min(position.next + position.aheadBytes, object.sizeBytes)
    for (let at = Math.max(offset, position.aheadTo); at < limit; ) {
      const { start, end: segmentEnd } = object.segmentAt(at)
      if (!this.cache.ahead(segmentKey(id, start), segmentEnd - start, () => object.load(start, segmentEnd))) return
      position.aheadTo = at = segmentEnd
    }
  }
}

const wholeKey = (id: ObjectId): string => `${id}:0`
const segmentKey = (id: ObjectId, start: number): string => `${id}:${start}`
