import type { ObjectId, ObjectManager, ObjectWriterOptions } from '#repo/object/object.ts'

interface Pending {
  readonly data: Uint8Array
  readonly options: ObjectWriterOptions
  readonly done: (id: ObjectId) => void
  readonly fail: (error: unknown) => void
}

export interface BatchedObject {
  readonly objectId: ObjectId
  readonly sizeBytes: number
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

  /** Waits until there is room for more, and only then has the object read into memory. Undefined when `read` gives nothing. */
  async addWhenRoom(read: () => Uint8Array | undefined, options: ObjectWriterOptions): Promise<BatchedObject | undefined> {
    while (this.#inFlight >= batchesInFlight && (this.#bytes >= batchBytes || this.#pending.length >= batchCount))
      await new Promise<void>((resolve) => this.#waiters.push(resolve))
    // No await until it is added: the next of many waiters must find the room that is left.
    const data = read()
    return data && { objectId: await this.add(data, options), sizeBytes: data.length }
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
