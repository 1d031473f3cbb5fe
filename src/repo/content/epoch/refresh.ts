import { setTimeout } from 'node:timers/promises'
import { CancelledError, messageOf } from '#base/errors.ts'
import type { BlobInfo, BlobReader } from '#repo/blob/storage.ts'
import type { EpochParameters } from '#repo/format/repository-format.ts'
import { ExpiredEpochStateError } from './errors.ts'
import { markerPrefix, rangePrefix, singlePrefix, uncompactedOf, watermarkPrefix } from './names.ts'
import { deriveEpochState, type EpochState, epochsAround, refreshMs, writeEpochOf } from './state.ts'

/** Every blob whose ID starts with `prefix`. */
export async function listAll(storage: BlobReader, prefix: string): Promise<BlobInfo[]> {
  const blobs: BlobInfo[] = []
  for await (const blob of storage.list(prefix)) blobs.push(blob)
  return blobs
}

/** Looks at the storage once (spec 02, 4.3.3). Throws ExpiredEpochStateError when that took longer than a state lives. */
export async function readEpochState(storage: BlobReader, parameters: EpochParameters, nowMs: () => number): Promise<EpochState> {
  const startedMs = nowMs()
  const [markers = [], ...others] = await Promise.all(
    [markerPrefix, watermarkPrefix, singlePrefix, rangePrefix].map((prefix) => listAll(storage, prefix)),
  )
  const uncompacted = await Promise.all(epochsAround(writeEpochOf(markers)).map((epoch) => listAll(storage, uncompactedOf(epoch))))
  const state = deriveEpochState([...markers, ...others.flat(), ...uncompacted.flat()], parameters, startedMs)
  if (nowMs() > state.validUntilMs)
    throw new ExpiredEpochStateError(
      `listing the index blobs took longer than ${Math.round(refreshMs(parameters) / 1000)} s, the life of a listing. Check the connection to the storage.`,
    )
  return state
}

export interface RetryOptions {
  readonly signal: AbortSignal | undefined
  /** Waits; rejects when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal | undefined) => Promise<void>
}

/** Attempts of one refresh: about two minutes of waiting in all. */
export const maxRefreshAttempts = 18
const firstPauseMs = 100
const pauseFactor = 1.5
const maxPauseMs = 15_000

export const systemSleep = async (ms: number, signal: AbortSignal | undefined): Promise<void> => {
  await setTimeout(ms, undefined, signal ? { signal } : {})
}

/** Runs `attempt` until it succeeds, with growing pauses (spec 02, 4.3.3). The last error is thrown after maxRefreshAttempts;
 *  CancelledError when the signal aborts. */
export async function retryRefresh<T>(attempt: () => Promise<T>, { signal, sleep }: RetryOptions): Promise<T> {
  let pauseMs = firstPauseMs
  for (let count = 1; ; count++) {
    if (signal?.aborted) throw new CancelledError('reading the list of index blobs was stopped')
    try {
      return await attempt()
    } catch (error) {
      if (count >= maxRefreshAttempts) throw error
      try {
        await sleep(pauseMs, signal)
      } catch {
        throw new CancelledError(`reading the list of index blobs was stopped after: ${messageOf(error)}`, { cause: error })
      }
      pauseMs = Math.min(pauseMs * pauseFactor, maxPauseMs)
    }
  }
}
