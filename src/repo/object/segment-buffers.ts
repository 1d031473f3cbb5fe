const pooledBytes = 1 << 20
const keptBuffers = 6

/** Buffers that collect segments, used again and again: fresh memory of several MiB costs as much as hashing it. */
export class SegmentBuffers {
  readonly #free: Buffer[] = []

  constructor(readonly largeBytes: number) {}

  /** A buffer of at least `bytes`, with unspecified contents. */
  take(bytes: number): Buffer {
    if (bytes < pooledBytes) return Buffer.allocUnsafeSlow(bytes)
    if (bytes > this.largeBytes) return Buffer.allocUnsafeSlow(bytes)
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.largeBytes)
  }

  /** Gives back a buffer that nobody looks at any more. */
  give(buffer: Buffer): void {
    if (buffer.length === this.largeBytes && this.#free.length < keptBuffers) this.#free.push(buffer)
  }
}

/** Bounds the bytes in flight over all writers of a session; waiters are served in order. */
export class ByteBudget {
  #used = 0
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = []

  constructor(readonly maxBytes: number) {}

  /** Resolves once `bytes` fit; something larger than the whole budget is let through alone. */
  async acquire(bytes: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#used += bytes
      return
    }
    await new Promise<void>((go) => this.#waiting.push({ bytes, go }))
  }

  release(bytes: number): void {
    this.#used -= bytes
    for (let next = this.#waiting[0]; next && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift()
      this.#used += next.bytes
      next.go()
    }
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.maxBytes
  }
}
