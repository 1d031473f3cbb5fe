/** Smaller parts get memory of their own that the garbage collector takes care of. */
const smallBytes = 256 << 10
/** Blocks are at most this much longer than they must be where they are made, and by this factor where they are used again: with less
 *  waste, sizes as splitters make them would have a third of the blocks made anew. */
const roundBytes = 256 << 10
const wasteFactor = 4

/** Blocks of memory for plain bytes, used again and again: memory that comes and goes by many MiB at a time would have the garbage
 *  collector run all the time. A block that is given back may still be looked at in the same turn of the event loop. */
export class SegmentMemory {
  /** Blocks that nobody uses, the shortest first. */
  private readonly free: ArrayBuffer[] = []
  private freeBytes = 0
  private returned: ArrayBuffer[] = []
  private readonly lent = new WeakSet<ArrayBuffer>()

  /** `maxFreeBytes`: what is kept though nobody uses it. */
  constructor(private readonly maxFreeBytes: number) {}

  /** Memory of that length; its bytes are rubbish. */
  take(sizeBytes: number): Buffer {
    if (sizeBytes < smallBytes) return Buffer.allocUnsafeSlow(sizeBytes)
    const at = this.free.findIndex((block) => block.byteLength >= sizeBytes)
    const found = at < 0 ? undefined : (this.free[at] as ArrayBuffer)
    if (found === undefined || found.byteLength > sizeBytes * wasteFactor) return this.lend(makeBlock(sizeBytes), sizeBytes)
    this.free.splice(at, 1)
    this.freeBytes -= found.byteLength
    return this.lend(found, sizeBytes)
  }

  /** What the bytes take up in memory. */
  sizeOf(bytes: Uint8Array): number {
    return this.lent.has(bytes.buffer as ArrayBuffer) ? bytes.buffer.byteLength : bytes.length
  }

  /** Nobody uses the bytes any more, views of them that are made in this turn of the event loop excepted. Others than those taken from here
   *  are let alone. */
  giveBack(bytes: Uint8Array): void {
    const block = bytes.buffer as ArrayBuffer
    if (!this.lent.delete(block)) return
    if (this.returned.push(block) === 1) setImmediate(() => this.collect())
  }

  private lend(block: ArrayBuffer, sizeBytes: number): Buffer {
    this.lent.add(block)
    return Buffer.from(block, 0, sizeBytes)
  }

  private collect(): void {
    const returned = this.returned
    this.returned = []
    for (const block of returned) {
      const at = this.free.findIndex((other) => other.byteLength >= block.byteLength)
      this.free.splice(at < 0 ? this.free.length : at, 0, block)
      this.freeBytes += block.byteLength
    }
    // The shortest are the ones that fit the least.
    while (this.freeBytes > this.maxFreeBytes) this.freeBytes -= (this.free.shift() as ArrayBuffer).byteLength
  }
}

function makeBlock(sizeBytes: number): ArrayBuffer {
  const rounded = Math.ceil(sizeBytes / roundBytes) * roundBytes
  return Buffer.allocUnsafeSlow(rounded).buffer as ArrayBuffer
}
