import { LRUCache } from 'lru-cache'

/** Plain bytes of stored parts, the same for all open files: each part is decrypted once while it is in use or fits. */
export class SegmentCache {
  private readonly kept: LRUCache<string, Uint8Array>
  private readonly loading = new Map<string, Promise<Uint8Array>>()
  private aheadBytes = 0

  /** `maxBytes`: what is kept; `maxAheadBytes`: what may be on its way ahead of use at one time, over all files. */
  constructor(
    readonly maxBytes: number,
    private readonly maxAheadBytes: number,
  ) {
    this.kept = new LRUCache({ maxSize: maxBytes, sizeCalculation: (bytes) => bytes.length + 256 })
  }

  get keptBytes(): number {
    return this.kept.calculatedSize
  }

  peek(key: string): Uint8Array | undefined {
    return this.kept.get(key)
  }

  /** The part, from memory or by `load`; those who want it at the same time share one load. A failure is not remembered. */
  get(key: string, load: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const found = this.kept.get(key)
    if (found !== undefined) return Promise.resolve(found)
    const running = this.loading.get(key)
    if (running !== undefined) return running
    const started = load().then(
      (bytes) => {
        this.kept.set(key, bytes)
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
  ahead(key: string, sizeBytes: number, load: () => Promise<Uint8Array>): boolean {
    if (this.kept.has(key) || this.loading.has(key)) return true
    if (this.aheadBytes + sizeBytes > this.maxAheadBytes) return false
    this.aheadBytes += sizeBytes
    const done = (): void => {
      this.aheadBytes -= sizeBytes
    }
    this.get(key, load).then(done, done) // whoever reads it gets the error
    return true
  }
}
