import { randomBytes, randomInt, randomUUID } from 'node:crypto'
import { setTimeout as sleepFor } from 'node:timers/promises'
import { messageOf } from '#base/errors.ts'
import { BlobExistsError, BlobNotFoundError, StorageError, UnsupportedOptionError } from './errors.ts'
import type { BlobId, BlobStorage, ByteRange } from './storage.ts'

/** The storage does not do what every storage must do. */
export class UnfitStorageError extends StorageError {
  override readonly code = 'STORAGE_UNFIT'
}

export interface Validation {
  /** Storages over the same place, the first being the given one. */
  readonly connections: number
  readonly concurrencyMs: number
  readonly putWorkers: number
  readonly getWorkers: number
  readonly statWorkers: number
  readonly say: (line: string) => void
  /** Largest blob of the concurrency test. */
  readonly largestBytes?: number
}

const maxClockDifferenceMs = 3 * 60_000
const defaultLargestBytes = 10_000_000
const pattern = Buffer.from([1, 2, 3, 4, 5])
const patternRepeats = 1_000_000
const maxPauseMs = 500
const ranges: readonly ByteRange[] = [
  { offset: 0, length: 10 },
  { offset: 1, length: 10 },
  { offset: 2, length: 1 },
  { offset: 5, length: 0 },
  { offset: patternRepeats * pattern.length - 5, length: 5 },
]

/** Tries a storage through several connections at once. Blobs that it makes begin with `z` and are deleted at the end, whatever happens.
 *  Throws UnfitStorageError, and the storage's errors. Source: spec 04, 4.1.9. */
export async function validateStorage(first: BlobStorage, another: () => Promise<BlobStorage>, v: Validation): Promise<void> {
  const prefix = `z${randomUUID()}`
  const others: BlobStorage[] = []
  try {
    v.say(`Opening ${Math.max(0, v.connections - 1)} equivalent storage connections...`)
    while (others.length < v.connections - 1) others.push(await another())
    const all = [first, ...others]
    const trial = new Trial(() => all[randomInt(all.length)] as BlobStorage, prefix, v)
    try {
      await trial.run()
    } finally {
      v.say('Cleaning up temporary data...')
      for await (const { id } of first.list(prefix)) await first.delete(id)
    }
  } finally {
    for (const storage of others) await storage.close()
  }
}

class Trial {
  constructor(
    private readonly any: () => BlobStorage,
    private readonly prefix: BlobId,
    private readonly v: Validation,
  ) {}

  async run(): Promise<void> {
    const id = `${this.prefix}a1`
    const data = Buffer.concat(Array.from({ length: patternRepeats }, () => pattern))
    this.v.say('Validating storage capacity and usage...')
    await this.capacity()
    this.v.say('Validating blob list responses...')
    await this.listed('', 0)
    this.v.say('Validating non-existent blob responses...')
    await this.absent('a full read', () => this.any().get(id))
    await this.absent('a partial read', () => this.any().get(id, { offset: 0, length: 5 }))
    await this.absent('a look', () => this.any().stat(id))
    this.v.say(`Writing blob (${data.length} bytes)...`)
    await this.any().put(id, [data])
    this.v.say('Validating conditional creates...')
    await this.notReplaced(id)
    this.v.say('Validating list responses...')
    await this.listed('', 1)
    await this.listed('a', 1)
    await this.listed('b', 0)
    this.v.say('Validating partial and full reads...')
    for (const range of ranges) {
      const got = await this.any().get(id, range)
      if (!got.equals(data.subarray(range.offset, range.offset + range.length)))
        throw new UnfitStorageError(`a read of ${range.length} bytes at ${range.offset} gave other bytes than were written`)
    }
    if (!(await this.any().get(id)).equals(data)) throw new UnfitStorageError('a full read gave other bytes than were written')
    this.v.say('Validating blob metadata...')
    await this.metadata(id, data.length)
    this.v.say(`Running concurrency test for ${this.v.concurrencyMs / 1000} s...`)
    await this.concurrency()
    this.v.say('All good.')
  }

  private async capacity(): Promise<void> {
    const volume = await this.any().extras.capacity?.()
    if (volume && volume.freeBytes > volume.totalBytes) throw new UnfitStorageError('the storage has more free space than space')
  }

  private async listed(rest: string, wanted: number): Promise<void> {
    let count = 0
    for await (const _ of this.any().list(this.prefix + rest)) count++
    if (count !== wanted) throw new UnfitStorageError(`a list gave ${count} blobs, there are ${wanted}`)
  }

  private async absent(what: string, call: () => Promise<unknown>): Promise<void> {
    const outcome = await call().catch((error: unknown) => error)
    if (!(outcome instanceof BlobNotFoundError))
      throw new UnfitStorageError(
        `${what} of a blob that does not exist gave ${outcome instanceof Error ? messageOf(outcome) : 'something'}`,
      )
  }

  private async notReplaced(id: BlobId): Promise<void> {
    const outcome = await this.any()
      .put(id, [Buffer.from([99])], { onlyIfAbsent: true })
      .catch((error: unknown) => error)
    if (outcome instanceof BlobExistsError || outcome instanceof UnsupportedOptionError) return
    if (outcome instanceof Error) throw outcome
    throw new UnfitStorageError('the storage replaced a blob that was not to be replaced')
  }

  private async metadata(id: BlobId, length: number): Promise<void> {
    const { sizeBytes, modifiedMs } = await this.any().stat(id)
    if (sizeBytes !== length) throw new UnfitStorageError(`the storage says that a blob of ${length} bytes has ${sizeBytes}`)
    const differenceMs = Math.abs(modifiedMs - Date.now())
    if (differenceMs > maxClockDifferenceMs)
      throw new UnfitStorageError(
        `the clocks of this machine and of the storage differ by ${Math.round(differenceMs / 1000)} s. Set the one that is wrong.`,
      )
  }

  private async concurrency(): Promise<void> {
    const until = performance.now() + this.v.concurrencyMs
    const blobs: { readonly id: BlobId; data: Buffer | undefined; written: boolean }[] = []
    const failed = new AbortController()
    const pick = () => blobs[randomInt(Math.max(1, blobs.length))]
    const workers = (count: number, step: () => Promise<void>): Promise<void>[] =>
      Array.from({ length: count }, async () => {
        try {
          while (performance.now() < until && !failed.signal.aborted) await step()
        } catch (error) {
          failed.abort()
          throw error
        }
      })
    const put = async (): Promise<void> => {
      const blob = { id: `${this.prefix}b${randomUUID()}`, data: undefined as Buffer | undefined, written: false }
      blob.data = randomBytes(randomInt(1, this.v.largestBytes ?? defaultLargestBytes))
      blobs.push(blob)
      await sleepFor(randomInt(maxPauseMs))
      await this.any().put(blob.id, [blob.data])
      blob.written = true
    }
    const look = async (check: (storage: BlobStorage, blob: { readonly id: BlobId; readonly data: Buffer }) => Promise<void>) => {
      const blob = pick()
      if (!blob?.data) return void (await sleepFor(10))
      const wasWritten = blob.written
      try {
        await check(this.any(), { id: blob.id, data: blob.data })
      } catch (error) {
        if (!(error instanceof BlobNotFoundError)) throw error
        if (wasWritten) throw new UnfitStorageError(`blob ${blob.id} was written and is not there`)
        await sleepFor(10)
      }
    }
    const get = () =>
      look(async (storage, { id, data }) => {
        if (!(await storage.get(id)).equals(data)) throw new UnfitStorageError(`blob ${id} was read while it was only partly there`)
      })
    const stat = () =>
      look(async (storage, { id, data }) => {
        if ((await storage.stat(id)).sizeBytes !== data.length) throw new UnfitStorageError(`blob ${id} was seen with a wrong length`)
      })
    const { putWorkers, getWorkers, statWorkers } = this.v
    const outcomes = await Promise.allSettled([...workers(putWorkers, put), ...workers(getWorkers, get), ...workers(statWorkers, stat)])
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }
}
