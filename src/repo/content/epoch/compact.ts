import type { BlobInfo } from '#repo/blob/storage.ts'
import { buildIndexFromFiles } from '#repo/content/index/build.ts'
import type { SealedIndexes } from '#repo/content/index-blobs/sealed-index.ts'
import { ExpiredEpochStateError } from './errors.ts'
import { rangePrefix, singlePrefix } from './names.ts'
import { type EpochState, isSettled } from './state.ts'

/** What compaction asks of the epoch manager. */
interface Epochs {
  readonly parameters: { readonly fullCheckpointFrequency: number }
  state(): Promise<EpochState>
  isValid(state: EpochState): boolean
  blobsOfEpochs(state: EpochState, first: number, last: number): Promise<BlobInfo[]>
  invalidate(): void
}

export interface SingleEpochCompaction {
  readonly epoch: number
  readonly supersededBlobCount: number
  readonly supersededTotalBytes: number
}

export interface RangeCompaction {
  readonly firstEpoch: number
  readonly lastEpoch: number
}

/** Merges the blobs of the first epoch after the chain without a set of its own, when it is settled (spec 02, 4.3.7). */
export async function compactSingleEpoch(epochs: Epochs, sealed: SealedIndexes): Promise<SingleEpochCompaction | undefined> {
  const state = await epochs.state()
  let epoch = state.firstAfterChain
  while (state.single.has(epoch)) epoch++
  if (!isSettled(epoch, state.writeEpoch)) return undefined
  const blobs = await epochs.blobsOfEpochs(state, epoch, epoch)
  if (blobs.length === 0) return undefined
  await mergeInto(`${singlePrefix}${epoch}_`, blobs, sealed)
  epochs.invalidate()
  return { epoch, supersededBlobCount: blobs.length, supersededTotalBytes: blobs.reduce((sum, b) => sum + b.sizeBytes, 0) }
}

/** Merges all settled epochs after the chain, when they are enough (spec 02, 4.3.7). Throws ExpiredEpochStateError when collecting them took
 *  longer than the state lives. */
export async function compactRange(epochs: Epochs, sealed: SealedIndexes): Promise<RangeCompaction | undefined> {
  const state = await epochs.state()
  const firstEpoch = state.firstAfterChain
  const lastEpoch = state.writeEpoch - 2
  if (lastEpoch < 0 || lastEpoch - firstEpoch < epochs.parameters.fullCheckpointFrequency) return undefined
  const blobs = await epochs.blobsOfEpochs(state, firstEpoch, lastEpoch)
  if (!epochs.isValid(state))
    throw new ExpiredEpochStateError(
      `collecting the indexes of epochs ${firstEpoch} to ${lastEpoch} took too long; nothing was changed. Run maintenance again.`,
    )
  if (blobs.length === 0) return undefined
  await mergeInto(`${rangePrefix}${firstEpoch}_${lastEpoch}_`, blobs, sealed)
  epochs.invalidate()
  return { firstEpoch, lastEpoch }
}

/** Merges index blobs into one set of blobs under `prefix`. Deleted records stay (spec 02, 4.3.7). */
export async function mergeInto(prefix: string, blobs: readonly BlobInfo[], sealed: SealedIndexes): Promise<BlobInfo[]> {
  const files = await sealed.loadAll(blobs)
  return sealed.storeSet(prefix, buildIndexFromFiles(files, sealed.context.format.indexVersion))
}
