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

  constructor(
    perSecond: number,
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
    if (this.#tokens < 0) await this.timing.sleep((windowSeconds * 1000 * -this.#tokens) / capacity)
  }

  /** Gives back tokens that were taken for nothing. */
  giveBack(count: number): void {
    this.#tokens = Math.min(this.#capacity, this.#tokens + count)
  }
}

/** Wrapper that keeps within rates of calls and bytes, and numbers of calls at once. Source: spec 04, 4.5. */
export function throttled(limits: ThrottlingLimits, timing: Timing = realTiming): BlobWrapper {
  return (inner) => new ThrottledStorage(inner, limits, timing)
}

class ThrottledStorage extends ForwardingStorage {
  readonly #reads: TokenBucket
  readonly #writes: TokenBucket
  readonly #lists: TokenBucket
  readonly #upload: TokenBucket
  readonly #download: TokenBucket
  readonly #readSlots: Limiter
  readonly #writeSlots: Limiter

  constructor(inner: BlobStorage, limits: ThrottlingLimits, timing: Timing) {
    super(inner)
    this.#reads = new TokenBucket(limits.readsPerSecond, timing)
    this.#writes = new TokenBucket(limits.writesPerSecond, timing)
    this.#lists = new TokenBucket(limits.listsPerSecond, timing)
    this.#upload = new TokenBucket(limits.maxUploadSpeedBytesPerSecond, timing)
    this.#download = new TokenBucket(limits.maxDownloadSpeedBytesPerSecond, timing)
    this.#readSlots = new Limiter(limits.concurrentReads || Number.POSITIVE_INFINITY)
    this.#writeSlots = new Limiter(limits.concurrentWrites || Number.POSITIVE_INFINITY)
  }

  /** What is read from a blob's own file could not be counted: all reads go through get. */
  override get extras(): BlobExtras {
    const { withFile: _, ...others } = this.inner.extras
    return others
  }

  override async get(id: BlobId, range?: ByteRange): Promise<Buffer> {
    await this.#reads.take(1)
    return this.#readSlots.run(async () => {
      const expected = range?.length ?? Math.min(assumedReadBytes, this.#download.startingTokens)
      await this.#download.take(expected)
      let got = 0
      try {
        const data = await this.inner.get(id, range)
        got = data.length
        if (got > expected) await this.#download.take(got - expected)
        return data
      } finally {
        if (got < expected) this.#download.giveBack(expected - got)
      }
    })
  }

  override async stat(id: BlobId): Promise<BlobInfo> {
    await this.#reads.take(1)
    return this.#readSlots.run(() => this.inner.stat(id))
  }

  override async *list(prefix: BlobId): AsyncIterable<BlobInfo> {
    await this.#lists.take(1)
    yield* this.inner.list(prefix)
  }

  override async put(id: BlobId, parts: readonly Uint8Array[], options?: PutOptions): Promise<BlobInfo> {
    await this.#writes.take(1)
    return this.#writeSlots.run(async () => {
      await this.#upload.take(parts.reduce((sum, part) => sum + part.length, 0))
      return this.inner.put(id, parts, options)
    })
  }

  override async delete(id: BlobId): Promise<void> {
    await this.#writes.take(1)
    return this.#writeSlots.run(() => this.inner.delete(id))
  }
}
