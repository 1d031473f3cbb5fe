import { setImmediate as nextTurn } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { PlainMemory } from '#repo/content/store.ts'
import { SegmentMemory } from './segment-memory.ts'

/** Of what may be kept, the share that may lie about unused between two parts, and what may at least: a few long ones. */
const freeShare = 1 / 8
const minFreeBytes = 16 << 20

export interface SegmentCacheOptions {
  /** Use memory again. Views of parts are then good for the turn of the event loop only in which they were got: whoever looks at them later
   *  must have copied them. */
  readonly reusesMemory?: boolean
}

type Load = (memory?: PlainMemory) => Promise<Uint8Array>

/** Plain bytes of stored parts, the same for all open files: each part is decrypted once while it is in use or fits. */
export class SegmentCache {
  private readonly kept: LRUCache<string, Uint8Array>
  private readonly loading = new Map<string, Promise<Uint8Array>>()
  private readonly memory: SegmentMemory | undefined
  private aheadBytes = 0
  /** Memory of the parts that are being loaded, and those who wait for it to become less. */
  private loadingBytes = 0
  private readonly waiting: (() => void)[] = []

  /** `maxBytes`: what is kept; `maxAheadBytes`: what may be on its way ahead of use at one time, over all files. */
  constructor(
    readonly maxBytes: number,
    private readonly maxAheadBytes: number,
    { reusesMemory = false }: SegmentCacheOptions = {},
  ) {
    const memory = reusesMemory ? new SegmentMemory(Math.max(maxBytes * freeShare, minFreeBytes)) : undefined
    this.memory = memory
    this.kept = new LRUCache({
      maxSize: reusesMemory ? maxBytes * (1 - freeShare) : maxBytes,
      sizeCalculation: (bytes) => (memory?.sizeOf(bytes) ?? bytes.length) + 256,
      ...(memory && { dispose: (bytes) => memory.giveBack(bytes) }),
    })
  }

  get keptBytes(): number {
    return this.kept.calculatedSize
  }

  peek(key: string): Uint8Array | undefined {
    return this.kept.get(key)
  }

  /** The part, from memory or by `load`; those who want it at the same time share one load. A failure is not remembered. `sizeBytes`: how long
   *  it will be, where that is known. */
  get(key: string, load: Load, sizeBytes = 0): Promise<Uint8Array> {
    const found = this.kept.get(key)
    if (found !== undefined) return Promise.resolve(found)
    const running = this.loading.get(key)
    if (running !== undefined) return running
    const started = this.load(load, sizeBytes).then(
      (bytes) => {
        this.kept.set(key, bytes)
        if (!this.kept.has(key)) this.memory?.giveBack(bytes) // too long to be kept
        this.loading.delete(key)
        return bytes
      },
      (error: unknown) => {
        this.loading.delete(key)
        throw error
      },
    )
    this.loading.set(key, started)
    return started
  }

  /** Starts a load ahead of use unless the part is there. False when the budget is used up. */
  ahead(key: string, sizeBytes: number, load: Load): boolean {
    if (this.kept.has(key) || this.loading.has(key)) return true
    if (this.aheadBytes + sizeBytes > this.maxAheadBytes) return false
    this.aheadBytes += sizeBytes
    const done = (): void => {
      this.aheadBytes -= sizeBytes
    }
    this.get(key, load, sizeBytes).then(done, done) // whoever reads it gets the error
    return true
  }

  /** Loads into memory that is used again, and lets go of old parts before: what is kept and what is loaded have one bound together. */
  private async load(load: Load, sizeBytes: number): Promise<Uint8Array> {
    const { memory } = this
    if (memory === undefined) return load()
    while (this.loadingBytes > 0 && this.loadingBytes + sizeBytes > this.kept.maxSize / 2)
      await new Promise<void>((resolve) => this.waiting.push(resolve))
    this.loadingBytes += sizeBytes
    try {
      if (this.makeRoom()) await nextTurn() // from then on it can be used
      return await this.loadInto(memory, load)
    } finally {
      this.loadingBytes -= sizeBytes
      for (const go of this.waiting.splice(0)) go()
    }
  }

  private makeRoom(): boolean {
    const before = this.kept.size
    while (this.kept.size > 0 && this.kept.calculatedSize + this.loadingBytes > this.kept.maxSize) this.kept.pop()
    return this.kept.size < before
  }

  /** What of the memory the result does not lie in goes back at once. */
  private async loadInto(memory: SegmentMemory, load: Load): Promise<Uint8Array> {
    const taken: Uint8Array[] = []
    const take = (sizeBytes: number): Buffer => {
      const bytes = memory.take(sizeBytes)
      taken.push(bytes)
      return bytes
    }
    let result: Uint8Array | undefined
    try {
      result = await load(take)
      return result
    } finally {
      for (const bytes of taken) if (bytes.buffer !== result?.buffer) memory.giveBack(bytes)
    }
  }
}
