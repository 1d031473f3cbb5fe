import { LRUCache } from 'lru-cache'
import { errno, FuseError } from '#fuse/errno.ts'
import type { Reply } from '#fuse/operations.ts'
import type { PlainMemory } from '#repo/content/store.ts'
import type { ObjectId, ObjectManager } from '#repo/object/object.ts'
import { isIndirect } from '#repo/object/object-id.ts'
import { ActiveReaders } from './active-readers.ts'
import { withDeadline } from './deadline.ts'
import { type ObjectSegments, openSegments } from './object-segments.ts'
import type { SegmentCache } from './segment-cache.ts'

/** Indirect objects whose lists of parts are kept. */
const openObjects = 256
/** A reader that moves forward gets this much ahead, doubled at each step up to the maximum. */
const firstAheadBytes = 4 << 20
const maxAheadBytes = 24 << 20
/** A first read this long is taken for the first of many. */
const eagerBytes = 1 << 20
/** Reads of one reader overtake each other by the kernel's own read-ahead, by so many of their lengths: two that lie further apart are no
 *  sign that somebody moves forward. */
const slackReads = 16
const maxSlackBytes = 4 << 20
const nothing = new Uint8Array(0)

/** Reads after which somebody who has not read again counts as gone. */
const activeReads = 64
/** Readers of one object that are told apart by where they are. */
const readersPerObject = 4

/** Where a reader of an object is. */
interface ReadPosition {
  /** End of the last read. */
  next: number
  aheadBytes: number
  /** Up to here parts were asked for ahead. */
  aheadTo: number
}

/** Reads ranges of objects through the segment cache, with read-ahead for readers that move forward. */
export class FileReader {
  private readonly indirect = new LRUCache<ObjectId, Promise<ObjectSegments>>({ max: openObjects })
  private readonly opened = new LRUCache<ObjectId, ObjectSegments>({ max: openObjects })
  private readonly active = new ActiveReaders(activeReads)
  private readonly positions = new LRUCache<ObjectId, ReadPosition[]>({ max: openObjects })

  constructor(
    private readonly objects: ObjectManager,
    private readonly cache: SegmentCache,
    private readonly timeoutMs: number,
  ) {}

  /** Bytes [offset, offset + size) of the object, fewer at its end: at once when they are in memory, else a promise. The result is a view
   *  that must not be changed; how long it is good for is the cache's to say (SegmentCacheOptions). Rejects with what reading the object throws, or FuseError(ETIMEDOUT). */
  read(id: ObjectId, offset: number, size: number): Reply<Uint8Array> {
    if (!isIndirect(id)) {
      const whole = this.cache.peek(wholeKey(id))
      if (whole !== undefined) return whole.subarray(offset, offset + size)
      return this.bounded(id, this.loadWhole(id)).then((bytes) => bytes.subarray(offset, offset + size))
    }
    return this.readKept(id, offset, size) ?? this.bounded(id, this.readIndirect(id, offset, size))
  }

  /** Loads an object of one part ahead of use. False when there is no room for more on its way. */
  aheadWhole(id: ObjectId, sizeBytes: number): boolean {
    return isIndirect(id) || this.cache.ahead(wholeKey(id), sizeBytes, (memory) => this.readWhole(id, memory))
  }

  private bounded<T>(id: ObjectId, work: Promise<T>): Promise<T> {
    return withDeadline(work, this.timeoutMs, `reading object ${id}`)
  }

  private loadWhole(id: ObjectId): Promise<Uint8Array> {
    return this.cache.get(wholeKey(id), (memory) => this.readWhole(id, memory))
  }

  private async readWhole(id: ObjectId, memory: PlainMemory | undefined): Promise<Uint8Array> {
    const segments = await openSegments(this.objects, id, memory)
    return segments.sizeBytes === 0 ? nothing : segments.load(0, segments.segmentAt(0).end)
  }

  private open(id: ObjectId): Promise<ObjectSegments> {
    const known = this.indirect.get(id)
    if (known !== undefined) return known
    const opening = openSegments(this.objects, id).then((object) => {
      this.opened.set(id, object)
      return object
    })
    this.indirect.set(id, opening)
    opening.catch(() => this.indirect.delete(id))
    return opening
  }

  /** The range if it lies in one part that is in memory. */
  private readKept(id: ObjectId, offset: number, size: number): Uint8Array | undefined {
    const object = this.opened.get(id)
    if (object === undefined || offset >= object.sizeBytes) return undefined
    const end = Math.min(offset + size, object.sizeBytes)
    const part = object.segmentAt(offset)
    if (end > part.end) return undefined
    const bytes = this.cache.peek(segmentKey(id, part.start))
    if (bytes === undefined) return undefined
    this.readAhead(id, object, offset, end)
    return bytes.subarray(offset - part.start, end - part.start)
  }

  private async readIndirect(id: ObjectId, offset: number, size: number): Promise<Uint8Array> {
    const object = await this.open(id)
    const end = Math.min(offset + size, object.sizeBytes)
    if (offset >= end) return nothing
    const own = this.segment(id, object, offset)
    this.readAhead(id, object, offset, end)
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
    const bytes = await this.cache.get(segmentKey(id, start), (memory) => object.load(start, end, memory), end - start)
    return { start, end, bytes }
  }

  /** Asks for what a forward reader wants next. */
  private readAhead(id: ObjectId, object: ObjectSegments, offset: number, end: number): void {
    const position = this.positionAt(id, offset, Math.min((end - offset) * slackReads, maxSlackBytes))
    this.active.note(position)
    const isFirst = position.next === offset && position.aheadTo === 0
    position.next = Math.max(position.next, end)
    // The first read of a reader says nothing yet, unless it begins at the beginning and is long.
    if (isFirst && end - offset < eagerBytes) {
      position.aheadTo = end
      return
    }
    // What is read ahead for many must not drive out what others have not come to yet.
    const share = this.cache.maxBytes / (2 * Math.max(2, this.active.count))
    position.aheadBytes = Math.min(Math.max(firstAheadBytes, position.aheadBytes * 2), maxAheadBytes, share)
    const limit = Math.min(position.next + position.aheadBytes, object.sizeBytes)
    for (let at = Math.max(offset, position.aheadTo); at < limit; ) {
      const { start, end: segmentEnd } = object.segmentAt(at)
      if (!this.cache.ahead(segmentKey(id, start), segmentEnd - start, (memory) => object.load(start, segmentEnd, memory))) return
      position.aheadTo = at = segmentEnd
    }
  }

  /** The reader that this read continues, or a new one in place of the one that was longest idle. */
  private positionAt(id: ObjectId, offset: number, slackBytes: number): ReadPosition {
    let known = this.positions.get(id)
    if (known === undefined) {
      known = []
      this.positions.set(id, known)
    }
    const at = known.findIndex((p) => offset >= p.next - slackBytes && offset <= p.next + slackBytes)
    if (at < 0 && known.length >= readersPerObject) known.shift()
    const position = (at < 0 ? undefined : known.splice(at, 1)[0]) ?? { next: offset, aheadBytes: 0, aheadTo: 0 }
    known.push(position)
    return position
  }
}

const wholeKey = (id: ObjectId): string => `${id}:0`
const segmentKey = (id: ObjectId, start: number): string => `${id}:${start}`
