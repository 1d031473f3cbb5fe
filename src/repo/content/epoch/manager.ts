import { CancelledError } from '#base/errors.ts'
import type { BlobInfo } from '#repo/blob/storage.ts'
import type { ActiveIndexBlobs, IndexBlobContext, WrittenIndex } from '#repo/content/index-blobs/context.ts'
import { SealedIndexes } from '#repo/content/index-blobs/sealed-index.ts'
import type { EpochParameters } from '#repo/format/repository-format.ts'
import { cleanupMarkers, cleanupSuperseded, type MarkerCleanup, type SupersededCleanup } from './cleanup.ts'
import { compactRange, compactSingleEpoch, type RangeCompaction, type SingleEpochCompaction } from './compact.ts'
import { ExpiredEpochStateError, SlowIndexWriteError } from './errors.ts'
import { markerBody, markerPrefix, uncompactedOf, uncompactedPrefix, watermarkBody, watermarkPrefix } from './names.ts'
import { listAll, type RetryOptions, readEpochState, retryRefresh, systemSleep } from './refresh.ts'
import { activeIndexBlobs, blobsOfEpochs, type EpochState, refreshMs } from './state.ts'

/** Restarts because a state went out of date while it was used, before giving up. */
const maxRestarts = 20

/** Reads and changes the epochs of a repository's index blobs (spec 02, 4.3). Only writeIndexes is for every client; advancing,
 *  compacting and cleaning are the maintenance owner's. */
export class EpochManager {
  readonly #sealed: SealedIndexes
  readonly #retry: RetryOptions
  #state: EpochState | undefined
  #refreshing: Promise<EpochState> | undefined
  /** Counts calls of invalidate: a refresh that began before one must not serve later callers. */
  #generation = 0

  constructor(
    readonly context: IndexBlobContext,
    sleep: RetryOptions['sleep'] = systemSleep,
  ) {
    this.#sealed = new SealedIndexes(context)
    this.#retry = { signal: context.signal, sleep }
  }

  get parameters(): EpochParameters {
    return this.context.format.epochs
  }

  /** The state in use, read again when it is no longer valid or has less than `minLifeMs` left. Throws CancelledError and what the
   *  storage throws after all retries. */
  async state(minLifeMs = 0): Promise<EpochState> {
    const nowMs = this.context.clock.nowMs()
    if (this.#state && nowMs < this.#state.validUntilMs && nowMs + minLifeMs <= this.#state.validUntilMs) return this.#state
    return (this.#refreshing ??= this.#refresh())
  }

  /** Makes the next call look at the storage again. */
  invalidate(): void {
    this.#generation++
    this.#state = undefined
    this.#refreshing = undefined
  }

  async #refresh(): Promise<EpochState> {
    const generation = this.#generation
    try {
      const { storage, clock } = this.context
      const state = await retryRefresh(() => readEpochState(storage, this.parameters, () => clock.nowMs()), this.#retry)
      if (generation === this.#generation) this.#state = state
      return state
    } finally {
      if (generation === this.#generation) this.#refreshing = undefined
    }
  }

  /** The complete index set (spec 02, 4.3.4). Throws ExpiredEpochStateError when it cannot be read within a state's life. */
  async activeSet(): Promise<ActiveIndexBlobs> {
    for (let restarts = 0; restarts < maxRestarts; restarts++) {
      this.#throwIfAborted()
      const state = await this.state()
      const blobs = await activeIndexBlobs(state, () => this.listUncompacted())
      // Blobs chosen from a state that expired meanwhile (the machine slept) may be deleted already.
      if (this.isValid(state)) return state.watermarkSeconds === undefined ? { blobs } : { blobs, watermarkSeconds: state.watermarkSeconds }
    }
    throw new ExpiredEpochStateError('the list of index blobs went out of date again and again while it was read. Check the storage.')
  }

  /** The blobs that hold everything of epochs first..last (behind the chain of ranges). */
  blobsOfEpochs(state: EpochState, first: number, last: number): Promise<BlobInfo[]> {
    return blobsOfEpochs(state, first, last, () => this.listUncompacted())
  }

  isValid(state: EpochState): boolean {
    return this.context.clock.nowMs() < state.validUntilMs
  }

  /** All `xn` blobs, of every epoch. */
  listUncompacted(): Promise<BlobInfo[]> {
    return listAll(this.context.storage, uncompactedPrefix)
  }

  /** Stores index files in the current epoch (spec 02, 4.3.5). `sessionId` may be empty. When two epochs went by meanwhile the blobs are
   *  deleted again: SlowIndexWriteError. */
  async writeIndexes(shards: readonly Buffer[], sessionId: string): Promise<WrittenIndex[]> {
    if (shards.length === 0) return []
    const suffix = `${sessionId}-c${shards.length}`
    const sealed = shards.map((file) => ({ file, ...this.#sealed.seal(file, suffix) }))
    const written = new Set<string>()
    const epoch = await this.#putInWriteEpoch(sealed, written)
    this.invalidate()
    const state = await this.state()
    if (state.writeEpoch >= epoch + 2) {
      await this.#deleteQuietly(written)
      throw new SlowIndexWriteError(
        `writing the index took more than two epochs (begun in ${epoch}, now ${state.writeEpoch}); nothing was recorded. Flush again.`,
      )
    }
    return sealed.map(({ file, name }) => ({ id: uncompactedOf(epoch) + name, file }))
  }

  /** PUTs every sealed index and returns the epoch that all of them are in. */
  async #putInWriteEpoch(sealed: readonly { name: string; data: Uint8Array }[], written: Set<string>): Promise<number> {
    let epoch = -1
    for (let restarts = 0; restarts < maxRestarts; restarts++) {
      this.#throwIfAborted()
      const state = await this.state((refreshMs(this.parameters) * 3) / 4)
      if (state.writeEpoch !== epoch) {
        for (const id of written) await this.context.storage.delete(id)
        written.clear()
        epoch = state.writeEpoch
      }
      if (await this.#putWhileValid(sealed, state, written)) return epoch
    }
    await this.#deleteQuietly(written)
    throw new SlowIndexWriteError('writing the index took longer than a listing lives, again and again; nothing was recorded. Flush again.')
  }

  async #putWhileValid(sealed: readonly { name: string; data: Uint8Array }[], state: EpochState, written: Set<string>): Promise<boolean> {
    for (const { name, data } of sealed) {
      const id = uncompactedOf(state.writeEpoch) + name
      if (written.has(id)) continue
      if (!this.isValid(state)) return false
      await this.context.storage.put(id, [data])
      written.add(id)
    }
    return true
  }

  async #deleteQuietly(ids: Iterable<string>): Promise<void> {
    for (const id of ids) await this.context.storage.delete(id).catch(() => undefined)
  }

  /** Begins the next epoch when the current one is old and full enough (spec 02, 4.3.6). Gives the epoch in force afterwards. */
  async advanceIfDue(): Promise<{ readonly currentEpoch: number; readonly wasAdvanced: boolean }> {
    const state = await this.state()
    if (!isAdvanceDue(state.uncompacted.get(state.writeEpoch) ?? [], this.parameters))
      return { currentEpoch: state.writeEpoch, wasAdvanced: false }
    await this.context.storage.put(`${markerPrefix}${state.writeEpoch + 1}`, [markerBody])
    this.invalidate()
    return { currentEpoch: state.writeEpoch + 1, wasAdvanced: true }
  }

  /** Merges the first settled epoch that still has many blobs into one set; undefined when there is none (spec 02, 4.3.7). */
  compactSingleEpoch(): Promise<SingleEpochCompaction | undefined> {
    return compactSingleEpoch(this, this.#sealed)
  }

  /** Merges all settled epochs behind the chain of ranges when they are enough; undefined when not (spec 02, 4.3.7). */
  compactRange(): Promise<RangeCompaction | undefined> {
    return compactRange(this, this.#sealed)
  }

  /** Makes records that were deleted at or before `seconds` (unix) count as absent. An earlier time than the current watermark is
   *  ignored (spec 02, 4.3.8). */
  async advanceDeletionWatermark(seconds: number): Promise<boolean> {
    const { watermarkSeconds } = await this.state()
    if (watermarkSeconds !== undefined && seconds < watermarkSeconds) return false
    await this.context.storage.put(`${watermarkPrefix}${Math.trunc(seconds)}`, [watermarkBody])
    this.invalidate()
    return true
  }

  /** Deletes markers of past epochs and past watermarks (spec 02, 4.3.9). */
  cleanupMarkers(): Promise<MarkerCleanup> {
    return cleanupMarkers(this)
  }

  /** Deletes index blobs whose single-epoch set is older than the safety margin (spec 02, 4.3.9). */
  cleanupSuperseded(): Promise<SupersededCleanup> {
    return cleanupSuperseded(this)
  }

  /** Both clean-ups, in the order of full maintenance. */
  async cleanup(): Promise<MarkerCleanup & SupersededCleanup> {
    return { ...(await this.cleanupMarkers()), ...(await this.cleanupSuperseded()) }
  }

  #throwIfAborted(): void {
    if (this.context.signal?.aborted) throw new CancelledError('work on the index blobs was stopped')
  }
}

/** Whether an epoch with these blobs is over (spec 02, 4.3.6). */
export function isAdvanceDue(blobs: readonly BlobInfo[], parameters: EpochParameters): boolean {
  if (blobs.length === 0) return false
  let oldestMs = Infinity
  let newestMs = -Infinity
  let totalBytes = 0
  for (const { modifiedMs, sizeBytes } of blobs) {
    oldestMs = Math.min(oldestMs, modifiedMs)
    newestMs = Math.max(newestMs, modifiedMs)
    totalBytes += sizeBytes
  }
  if (newestMs - oldestMs < Number(parameters.minEpochDurationNs) / 1e6) return false
  return blobs.length >= parameters.epochAdvanceOnCountThreshold || totalBytes >= parameters.epochAdvanceOnTotalSizeBytesThreshold
}
