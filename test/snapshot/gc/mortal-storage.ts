import { memoryStorage, type StoredBlob } from '#repo/blob/memory.ts'
import type { BlobInfo, BlobStorage, PutOptions } from '#repo/blob/storage.ts'
import { ForwardingStorage } from '#repo/blob/wrap/forward.ts'
import type { TestClock } from '../../repo/content/rig.ts'

const never = (): Promise<never> => new Promise(() => undefined)

/** A client's way to the shared blobs. It can be told to die at a change, as by kill -9: from then on no call ever comes back; or to let
 *  somebody else do something just before a change. */
export class MortalStorage extends ForwardingStorage {
  #changes = 0
  #die: (() => void) | undefined
  #dieAt = Number.POSITIVE_INFINITY
  #isDead = false
  #interruptAt = Number.POSITIVE_INFINITY
  #interrupt: (() => Promise<void>) | undefined

  constructor(clock: TestClock, blobs: Map<string, StoredBlob>) {
    super(memoryStorage(clock, blobs))
  }

  /** Dies at the `count`th change from now; half of the time the change has still come through. The promise resolves when it has died. */
  dieAfter(count: number): Promise<'died'> {
    this.#dieAt = this.#changes + count
    return new Promise((resolve) => {
      this.#die = () => resolve('died')
    })
  }

  interruptAfter(count: number, work: () => Promise<void>): void {
    this.#interruptAt = this.#changes + count
    this.#interrupt = work
  }

  /** Takes back what was told. */
  calm(): void {
    this.#dieAt = Number.POSITIVE_INFINITY
    this.#interruptAt = Number.POSITIVE_INFINITY
  }

  override async put(id: string, parts: readonly Uint8Array[], options?: PutOptions): Promise<BlobInfo> {
    return this.#change(() => super.put(id, parts, options))
  }

  override async delete(id: string): Promise<void> {
    return this.#change(() => super.delete(id))
  }

  override async get(...of: Parameters<BlobStorage['get']>): Promise<Buffer> {
    return this.#isDead ? never() : super.get(...of)
  }

  override async stat(id: string): Promise<BlobInfo> {
    return this.#isDead ? never() : super.stat(id)
  }

  async #change<T>(apply: () => Promise<T>): Promise<T> {
    if (this.#isDead) return never()
    const number = ++this.#changes
    if (number >= this.#interruptAt) {
      this.#interruptAt = Number.POSITIVE_INFINITY
      await this.#interrupt?.()
    }
    if (number < this.#dieAt) return apply()
    this.#isDead = true
    if (number % 2 === 0) await apply()
    this.#die?.()
    return never()
  }
}
