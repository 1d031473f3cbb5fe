import { setTimeout as sleepFor } from 'node:timers/promises'
import { KuraError } from '#base/errors.ts'
import { TransientStorageError } from '../errors.ts'
import type { BlobId, BlobInfo, BlobStorage, BlobWrapper, ByteRange, PutOptions } from '../storage.ts'
import { ForwardingStorage } from './forward.ts'

/** Exponential back-off (spec 04, 4.1.7). */
export interface RetryPolicy {
  readonly attempts: number
  readonly firstSleepMs: number
  readonly factor: number
  readonly maxSleepMs: number
  readonly sleep: (ms: number) => Promise<unknown>
}

export const defaultRetryPolicy: RetryPolicy = {
  attempts: 10,
  firstSleepMs: 100,
  factor: 1.5,
  maxSleepMs: 32_000,
  sleep: (ms) => sleepFor(ms),
}

/** Runs an action until it succeeds, fails with an error whose `retry` is false, or the attempts are used up: then the last error is
 *  wrapped in a TransientStorageError that says how often it was tried. */
export async function retryTransient<T>(what: string, policy: RetryPolicy, action: () => Promise<T>): Promise<T> {
  let sleepMs = policy.firstSleepMs
  for (let attempt = 1; ; attempt++) {
    try {
      return await action()
    } catch (error) {
      if (!(error instanceof KuraError && error.retry)) throw error
      if (attempt >= policy.attempts)
        throw new TransientStorageError(`unable to complete ${what} despite ${attempt} retries: ${error.message}`, { cause: error })
    }
    await policy.sleep(sleepMs)
    sleepMs = Math.min(sleepMs * policy.factor, policy.maxSleepMs)
  }
}

/** Wrapper that tries get, stat, put and delete again after errors that may pass; listings, like Kopia's, are not retried. */
export function retrying(changes: Partial<RetryPolicy> = {}): BlobWrapper {
  const policy = { ...defaultRetryPolicy, ...changes }
  return (inner) => new RetryingStorage(inner, policy)
}

class RetryingStorage extends ForwardingStorage {
  constructor(
    inner: BlobStorage,
    private readonly policy: RetryPolicy,
  ) {
    super(inner)
  }

  override get(id: BlobId, range?: ByteRange): Promise<Buffer> {
    return retryTransient(`reading blob ${id}`, this.policy, () => this.inner.get(id, range))
  }

  override stat(id: BlobId): Promise<BlobInfo> {
    return retryTransient(`looking at blob ${id}`, this.policy, () => this.inner.stat(id))
  }

  override put(id: BlobId, parts: readonly Uint8Array[], options?: PutOptions): Promise<BlobInfo> {
    return retryTransient(`writing blob ${id}`, this.policy, () => this.inner.put(id, parts, options))
  }

  override delete(id: BlobId): Promise<void> {
    return retryTransient(`deleting blob ${id}`, this.policy, () => this.inner.delete(id))
  }
}
