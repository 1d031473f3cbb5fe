import type { ObjectId, ObjectManager, ObjectWriterOptions } from '#repo/object/object.ts'

interface Pending {
  readonly data: Uint8Array
  readonly options: ObjectWriterOptions
  readonly done: (id: ObjectId) => void
  readonly fail: (error: unknown) => void
}

/** Bytes and objects that make a batch worth its while; two batches may be on their way at once. */
const batchBytes = 4 << 20
const batchCount = 256
const batchesInFlight = 2

/** Gathers small objects of many directories, so that they are hashed and sealed together. A batch goes when it is full, or
 *  when everything else waits (the event loop has come round). */
export class ObjectBatcher {
  #pending: Pending[] = []
  #bytes = 0
  #inFlight = 0
  #scheduled = false
  #waiters: (() => void)[] = []

  constructor(readonly objects: ObjectManager) {}

  /** Resolves when there is room for more: to be awaited before the next object is read into memory. */
  async room(): Promise<void> {
    while (this.#inFlight >= batchesInFlight && (this.#bytes >= batchBytes || this.#pending.length >= batchCount))
      await new Promise<void>((resolve) => this.#waiters.push(resolve))
  }

  add(data: Uint8Array, options: ObjectWriterOptions): Promise<ObjectId> {
    return new Promise((done, fail) => {
      this.#pending.push({ data, options, done, fail })
      this.#bytes += data.length
      if (this.#bytes >= batchBytes || this.#pending.length >= batchCount) this.#send()
      else this.#schedule()
    })
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#send()
    })
  }

  #send(): void {
    if (this.#pending.length === 0 || this.#inFlight >= batchesInFlight) return
    const batch = this.#pending
    this.#pending = []
    this.#bytes = 0
    this.#inFlight++
    this.objects
      .writeMany(batch)
      .then(
        (ids) => {
          for (const [i, p] of batch.entries()) p.done(ids[i] as ObjectId)
        },
        (error: unknown) => {
          for (const p of batch) p.fail(error)
        },
      )
      .finally(() => {
        this.#inFlight--
        this.#send()
        const waiters = this.#waiters
        this.#waiters = []
        for (const w of waiters) w()
      })
  }
}
