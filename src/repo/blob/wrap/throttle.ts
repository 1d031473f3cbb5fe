import { setTimeout as sleepFor } from 'node:timers/promises'
import { UsageError } from '#base/errors.ts'
import { asObject, numberOf } from '#base/json-read.ts'
import { Limiter } from '#base/limit.ts'
import type { BlobExtras, BlobId, BlobInfo, BlobStorage, BlobWrapper, ByteRange, PutOptions } from '../storage.ts'
import { ForwardingStorage } from './forward.ts'

/** Limits of one connection; 0 = none (spec 04, 4.5). */
export interface ThrottlingLimits {
  readonly readsPerSecond: number
  readonly writesPerSecond: number
  readonly listsPerSecond: number
  readonly maxUploadSpeedBytesPerSecond: number
  readonly maxDownloadSpeedBytesPerSecond: number
  readonly concurrentReads: number
  readonly concurrentWrites: number
}

export interface Timing {
  readonly nowMs: () => number
  readonly sleep: (ms: number) => Promise<unknown>
}

const realTiming: Timing = { nowMs: () => performance.now(), sleep: (ms) => sleepFor(ms) }

const limitKeys = [
  'readsPerSecond',
  'writesPerSecond',
  'listsPerSecond',
  'maxUploadSpeedBytesPerSecond',
  'maxDownloadSpeedBytesPerSecond',
  'concurrentReads',
  'concurrentWrites',
] as const satisfies readonly (keyof ThrottlingLimits)[]

/** Reads limits from a JSON object, which may have other members; undefined when it sets none. Throws JsonShapeError, or UsageError for a
 *  negative limit. */
export function parseThrottling(json: unknown): ThrottlingLimits | undefined {
  const what = 'the throttling limits'
  const object = asObject(json, what)
  const limits = Object.fromEntries(limitKeys.map((key) => [key, numberOf(object, key, what)])) as Record<keyof ThrottlingLimits, number>
  for (const key of limitKeys) if (limits[key] < 0) throw new UsageError(`the throttling limit ${key} must not be negative`)
  return limitKeys.some((key) => limits[key] > 0) ? limits : undefined
}

const windowSeconds = 60
const startingFill = 0.1
/** What a read of unknown length takes until the length is known; less where the limit is low, since an hour's wait for a small blob
 *  would help nobody. */
const assumedReadBytes = 20_000_000

/** Token bucket of one rate: room for a minute's worth, a tenth of it there at first. Source: spec 04, 4.5. */
export class TokenBucket {
  #tokens: number
  #lastMs: number | undefined
  readonly #capacity: number
  readonly startingTokens: number
  #retire: () => void = () => undefined
  readonly #retired = new Promise<void>((resolve) => {
    this.#retire = resolve
  })

  constructor(
    readonly perSecond: number,
    private readonly timing: Timing,
  ) {
    this.#capacity = perSecond * windowSeconds
    this.startingTokens = Math.floor(this.#capacity * startingFill)
    this.#tokens = this.startingTokens
  }

  /** Takes tokens, and waits as long as it takes for them to come in. */
  async take(count: number): Promise<void> {
    const capacity = this.#capacity
    if (capacity === 0) return
    const nowMs = this.timing.nowMs()
    const seconds = this.#lastMs === undefined ? 0 : (nowMs - this.#lastMs) / 1000
    this.#lastMs = nowMs
    this.#tokens = Math.min(capacity, this.#tokens + (capacity * seconds) / windowSeconds) - count
    if (this.#tokens < 0) await Promise.race([this.timing.sleep((windowSeconds * 1000 * -this.#tokens) / capacity), this.#retired])
  }

  /** Lets everybody go who waits: another bucket has taken its place. */
  retire(): void {
    this.#retire()
  }

  /** Gives back tokens that were taken for nothing. */
  giveBack(count: number): void {
    this.#tokens = Math.min(this.#capacity, this.#tokens + count)
  }
}

export const noLimits: ThrottlingLimits = {
  readsPerSecond: 0,
  writesPerSecond: 0,
  listsPerSecond: 0,
  maxUploadSpeedBytesPerSecond: 0,
  maxDownloadSpeedBytesPerSecond: 0,
  concurrentReads: 0,
  concurrentWrites: 0,
}

/** Limits that can change while they are kept to. */
export class Throttle {
  reads: TokenBucket
  writes: TokenBucket
  lists: TokenBucket
  upload: TokenBucket
  download: TokenBucket
  readSlots: Limiter
  writeSlots: Limiter

  constructor(
    limits: ThrottlingLimits = noLimits,
    private readonly timing: Timing = realTiming,
  ) {
    this.reads = new TokenBucket(limits.readsPerSecond, timing)
    this.writes = new TokenBucket(limits.writesPerSecond, timing)
    this.lists = new TokenBucket(limits.listsPerSecond, timing)
    this.upload = new TokenBucket(limits.maxUploadSpeedBytesPerSecond, timing)
    this.download = new TokenBucket(limits.maxDownloadSpeedBytesPerSecond, timing)
    this.readSlots = slots(limits.concurrentReads)
    this.writeSlots = slots(limits.concurrentWrites)
  }

  /** Whether reads are limited in any way. */
  get limitsReads(): boolean {
    return this.reads.perSecond > 0 || this.download.perSecond > 0 || this.readSlots.limit !== Number.POSITIVE_INFINITY
  }

  /** Sets all limits. Who waits for one that changes goes on at once; who holds a slot gives it back to the old ones. */
  update(limits: ThrottlingLimits): void {
    this.reads = this.changed(this.reads, limits.readsPerSecond)
    this.writes = this.changed(this.writes, limits.writesPerSecond)
    this.lists = this.changed(this.lists, limits.listsPerSecond)
    this.upload = this.changed(this.upload, limits.maxUploadSpeedBytesPerSecond)
    this.download = this.changed(this.download, limits.maxDownloadSpeedBytesPerSecond)
    const reads = slots(limits.concurrentReads)
    const writes = slots(limits.concurrentWrites)
    if (reads.limit !== this.readSlots.limit) this.readSlots = reads
    if (writes.limit !== this.writeSlots.limit) this.writeSlots = writes
  }

  private changed(bucket: TokenBucket, perSecond: number): TokenBucket {
    if (bucket.perSecond === perSecond) return bucket
    bucket.retire()
    return new TokenBucket(perSecond, this.timing)
  }
}

const slots = (count: number): Limiter => new Limiter(count || Number.POSITIVE_INFINITY)

/** Wrapper that keeps within rates of calls and bytes, and numbers of calls at once. Source: spec 04, 4.5. */
export function throttled(limits: ThrottlingLimits | Throttle, timing: Timing = realTiming): BlobWrapper {
  const throttle = limits instanceof Throttle ? limits : new Throttle(limits, timing)
  return (inner) => new ThrottledStorage(inner, throttle)
}

class ThrottledStorage extends ForwardingStorage {
  constructor(
    inner: BlobStorage,
    private readonly throttle: Throttle,
  ) {
    super(inner)
  }

  override get extras(): BlobExtras {
    const { withFile, ...others } = this.inner.extras
    if (!withFile) return others
    return { ...others, withFile: (id, use, sizeBytes) => this.limited(sizeBytes, () => withFile(id, use, sizeBytes)) }
  }

  /** Reading so many bytes, which are paid for also when it fails. */
  private async limited<T>(sizeBytes: number, read: () => Promise<T>): Promise<T> {
    if (!this.throttle.limitsReads) return read()
    await this.throttle.reads.take(1)
    return this.throttle.readSlots.run(async () => {
      await this.throttle.download.take(sizeBytes)
      return read()
    })
  }

  override async get(id: BlobId, range?: ByteRange): Promise<Buffer> {
    await this.throttle.reads.take(1)
    return this.throttle.readSlots.run(async () => {
      const { download } = this.throttle
      const expected = range?.length ?? Math.min(assumedReadBytes, download.startingTokens)
      await download.take(expected)
      let got = 0
      try {
        const data = await this.inner.get(id, range)
        got = data.length
        if (got > expected) await download.take(got - expected)
        return data
      } finally {
        if (got < expected) download.giveBack(expected - got)
      }
    })
  }

  override async stat(id: BlobId): Promise<BlobInfo> {
    await this.throttle.reads.take(1)
    return this.throttle.readSlots.run(() => this.inner.stat(id))
  }

  override async *list(prefix: BlobId): AsyncIterable<BlobInfo> {
    await this.throttle.lists.take(1)
    yield* this.inner.list(prefix)
  }

  override async put(id: BlobId, parts: readonly Uint8Array[], options?: PutOptions): Promise<BlobInfo> {
    await this.throttle.writes.take(1)
    return this.throttle.writeSlots.run(async () => {
      await this.throttle.upload.take(parts.reduce((sum, part) => sum + part.length, 0))
      return this.inner.put(id, parts, options)
    })
  }

  override async delete(id: BlobId): Promise<void> {
    await this.throttle.writes.take(1)
    return this.throttle.writeSlots.run(() => this.inner.delete(id))
  }
}
