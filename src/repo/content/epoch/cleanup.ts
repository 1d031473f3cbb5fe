import { mapLimited } from '#base/limit.ts'
import type { BlobInfo, BlobStorage } from '#repo/blob/storage.ts'
import type { EpochParameters } from '#repo/format/repository-format.ts'
import { epochOfName, markerPrefix, watermarkOfName, watermarkPrefix } from './names.ts'
import { listAll } from './refresh.ts'
import { type EpochState, isSettled } from './state.ts'

/** What cleaning asks of the epoch manager. */
interface Epochs {
  readonly context: { readonly storage: BlobStorage }
  readonly parameters: EpochParameters
  state(): Promise<EpochState>
  listUncompacted(): Promise<BlobInfo[]>
  invalidate(): void
}

export interface MarkerCleanup {
  readonly deletedMarkerCount: number
  readonly deletedWatermarkCount: number
}

export interface SupersededCleanup {
  /** Youngest set whose originals may go, milliseconds; absent when there is none. */
  readonly maxReplacementMs?: number
  readonly deletedBlobCount: number
  readonly deletedTotalBytes: number
}

/** Time before which a replacement must have been stored, by the storage's clock; undefined = unknown (spec 02, 4.3.9). */
function cutoffMs(state: EpochState, parameters: EpochParameters): number | undefined {
  let storageNowMs: number | undefined
  for (const blobs of state.uncompacted.values())
    for (const { modifiedMs } of blobs) storageNowMs = Math.max(storageNowMs ?? modifiedMs, modifiedMs)
  return storageNowMs === undefined ? undefined : storageNowMs - Number(parameters.cleanupSafetyMarginNs) / 1e6
}

/** Deletes `xe` blobs before the epoch preceding the write epoch, and `xw` blobs other than the current that are old enough. */
export async function cleanupMarkers(epochs: Epochs): Promise<MarkerCleanup> {
  const state = await epochs.state()
  const cutoff = cutoffMs(state, epochs.parameters)
  if (cutoff === undefined) return { deletedMarkerCount: 0, deletedWatermarkCount: 0 }
  const { storage } = epochs.context
  const markers = (await listAll(storage, markerPrefix)).filter(({ id }) => (epochOfName(id) ?? Infinity) < state.writeEpoch - 1)
  // Only watermarks before the current one: a later one may have been set after the state was read.
  const past = (await listAll(storage, watermarkPrefix)).filter(
    ({ id, modifiedMs }) => (watermarkOfName(id) ?? Infinity) < (state.watermarkSeconds ?? -Infinity) && modifiedMs < cutoff,
  )
  await deleteAll(epochs, [...markers, ...past])
  return { deletedMarkerCount: markers.length, deletedWatermarkCount: past.length }
}

/** Deletes `xn` blobs of settled epochs that have a complete single-epoch set older than the safety margin. */
export async function cleanupSuperseded(epochs: Epochs): Promise<SupersededCleanup> {
  const state = await epochs.state()
  const cutoff = cutoffMs(state, epochs.parameters)
  if (cutoff === undefined) return { deletedBlobCount: 0, deletedTotalBytes: 0 }
  let maxReplacementMs: number | undefined
  const replaced = new Set<number>()
  for (const [epoch, set] of state.single) {
    const newestMs = Math.max(...set.map((blob) => blob.modifiedMs))
    // Readers use the originals of epochs that are not settled, whatever sets there are.
    if (newestMs >= cutoff || !isSettled(epoch, state.writeEpoch)) continue
    replaced.add(epoch)
    maxReplacementMs = Math.max(maxReplacementMs ?? newestMs, newestMs)
  }
  const blobs = replaced.size === 0 ? [] : (await epochs.listUncompacted()).filter(({ id }) => replaced.has(epochOfName(id) ?? -1))
  await deleteAll(epochs, blobs)
  const deleted = { deletedBlobCount: blobs.length, deletedTotalBytes: blobs.reduce((sum, b) => sum + b.sizeBytes, 0) }
  return maxReplacementMs === undefined ? deleted : { ...deleted, maxReplacementMs }
}

async function deleteAll(epochs: Epochs, blobs: readonly BlobInfo[]): Promise<void> {
  if (blobs.length === 0) return
  await mapLimited(blobs, Math.max(1, epochs.parameters.deleteParallelism), ({ id }) => epochs.context.storage.delete(id))
  epochs.invalidate()
}
