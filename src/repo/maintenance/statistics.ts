import type { JsonValue } from '#base/go-json.ts'
import { formatTimeNs } from '#base/time.ts'
import type { BlobInfo } from '#repo/blob/storage.ts'
import type { MarkerCleanup, SupersededCleanup } from '#repo/content/epoch/cleanup.ts'
import type { RangeCompaction, SingleEpochCompaction } from '#repo/content/epoch/compact.ts'
import type { ExtendedLocks } from './object-locks.ts'
import type { Amount, RewriteOutcome } from './rewrite.ts'
import type { UnreferencedPacks } from './unreferenced.ts'

/** What a task did, as the schedule keeps it; undefined = nothing (spec 07, 7.6.14). */
export type TaskStatistics = JsonValue | undefined

const kind = (name: string, data: JsonValue): JsonValue => ({ kind: name, data })
const amount = (name: string, { count, bytes }: Amount): Record<string, number> => ({ [`${name}Count`]: count, [`${name}Size`]: bytes })
const timeOfMs = (ms: number): string => formatTimeNs(BigInt(Math.round(ms * 1000)) * 1000n)

/** Number and total size of blobs. */
export const amountOf = (blobs: readonly BlobInfo[]): Amount => ({
  count: blobs.length,
  bytes: blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
})

export interface GarbageStatistics {
  readonly unreferenced: Amount
  readonly deleted: Amount
  readonly unreferencedRecent: Amount
  readonly inUse: Amount
  readonly inUseSystem: Amount
  readonly recovered: Amount
}

export const garbageStatistics = (s: GarbageStatistics): JsonValue =>
  kind('snapshotGCStats', {
    ...amount('unreferencedContent', s.unreferenced),
    ...amount('deletedContent', s.deleted),
    ...amount('unreferencedRecentContent', s.unreferencedRecent),
    ...amount('inUseContent', s.inUse),
    ...amount('inUseSystemContent', s.inUseSystem),
    ...amount('recoveredContent', s.recovered),
  })

export const rewriteStatistics = (s: RewriteOutcome): JsonValue =>
  kind('rewriteContentsStats', {
    ...amount('toRewriteContent', s.toRewrite),
    ...amount('rewrittenContent', s.rewritten),
    ...amount('retainedContent', s.retained),
  })

export function deletionStatistics({ deletable, retained }: UnreferencedPacks): JsonValue {
  const deleted = amountOf(deletable)
  const kept = amountOf(retained)
  return kind('deleteUnreferencedPacksStats', {
    unreferencedPackCount: deleted.count,
    unreferencedTotalSize: deleted.bytes,
    deletedPackCount: deleted.count,
    deletedTotalSize: deleted.bytes,
    retainedPackCount: kept.count,
    retainedTotalSize: kept.bytes,
  })
}

export const dropStatistics = (beforeMs: number): JsonValue =>
  kind('compactIndexesStats', { droppedContentsDeletedBefore: timeOfMs(beforeMs) })

export const lockStatistics = ({ toExtend, extended, periodNs }: ExtendedLocks): JsonValue =>
  kind('extendBlobRetentionStats', { toExtendBlobCount: toExtend, extendedBlobCount: extended, retentionPeriod: periodText(periodNs) })

/** As Go writes a duration of whole seconds. */
function periodText(ns: bigint): string {
  const seconds = ns / 1_000_000_000n
  return `${seconds / 3600n}h${(seconds / 60n) % 60n}m${seconds % 60n}s`
}

export const logStatistics = (kept: Amount, deleted: Amount): JsonValue =>
  kind('cleanupLogsStats', { ...amount('toDeleteBlob', deleted), ...amount('deletedBlob', deleted), ...amount('retainedBlob', kept) })

export const advanceStatistics = (s: { readonly currentEpoch: number; readonly wasAdvanced: boolean }): JsonValue =>
  kind('advanceEpochStats', { currentEpoch: s.currentEpoch, wasAdvanced: s.wasAdvanced })

export const singleEpochStatistics = (s: SingleEpochCompaction | undefined): JsonValue =>
  kind(
    'compactSingleEpochStats',
    s ? { supersededIndexBlobCount: s.supersededBlobCount, supersededIndexTotalSize: s.supersededTotalBytes, epoch: s.epoch } : null,
  )

export const rangeStatistics = (s: RangeCompaction | undefined): JsonValue =>
  kind('generateRangeCheckpointStats', s ? { rangeMinEpoch: s.firstEpoch, rangeMaxEpoch: s.lastEpoch } : null)

export const markerStatistics = (s: MarkerCleanup): JsonValue =>
  kind('cleanupMarkersStats', {
    deletedEpochMarkerBlobCount: s.deletedMarkerCount,
    deletedWatermarkBlobCount: s.deletedWatermarkCount,
  })

export const supersededStatistics = (s: SupersededCleanup): TaskStatistics =>
  s.maxReplacementMs === undefined
    ? undefined
    : kind('cleanupSupersededIndexesStats', {
        maxReplacementTime: timeOfMs(s.maxReplacementMs),
        deletedBlobCount: s.deletedBlobCount,
        deletedTotalSize: s.deletedTotalBytes,
      })
