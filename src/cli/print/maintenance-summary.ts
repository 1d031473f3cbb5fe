import type { JsonValue } from '#base/go-json.ts'
import { parseTimeNs } from '#base/time.ts'
import { SizePrinter } from './sizes.ts'
import { TimePrinter } from './times.ts'
import { utc } from './zone.ts'

type Data = Readonly<Record<string, unknown>>
const sizes = new SizePrinter(false)
const utcTimes = new TimePrinter(utc)

const number = (d: Data, key: string): number => Number(d[key] ?? 0)
const counted = (d: Data, count: string, size: string): string => `${number(d, count)}(${sizes.bytes(number(d, size))})`
const plain = (d: Data, of: string): string => `${number(d, `${of}Count`)}(${number(d, `${of}Size`)})`
const time = (d: Data, key: string): string => utcTimes.go(parseTimeNs(String(d[key] ?? '0001-01-01T00:00:00Z')))

/** One sentence per kind of statistics (spec 07, 7.6.14), in Kopia's words. */
const sentences: Readonly<Record<string, (d: Data) => string>> = {
  snapshotGCStats: (d) =>
    `Found ${plain(d, 'unreferencedContent')} unreferenced contents and marked ${plain(d, 'deletedContent')} for deletion. Found ${plain(d, 'inUseContent')} in-use contents and ${plain(d, 'inUseSystemContent')} in-use system contents. Retained ${plain(d, 'unreferencedRecentContent')} recent contents. Recovered ${plain(d, 'recoveredContent')} contents`,
  rewriteContentsStats: (d) =>
    `Found ${counted(d, 'toRewriteContentCount', 'toRewriteContentSize')} contents to rewrite and rewrote ${counted(d, 'rewrittenContentCount', 'rewrittenContentSize')}. Retained ${counted(d, 'retainedContentCount', 'retainedContentSize')} contents from rewrite`,
  deleteUnreferencedPacksStats: (d) =>
    `Found ${counted(d, 'unreferencedPackCount', 'unreferencedTotalSize')} unreferenced pack blobs to delete and deleted ${counted(d, 'deletedPackCount', 'deletedTotalSize')}. Retained ${counted(d, 'retainedPackCount', 'retainedTotalSize')} unreferenced pack blobs.`,
  compactIndexesStats: (d) => `Dropped contents deleted before ${time(d, 'droppedContentsDeletedBefore')}`,
  extendBlobRetentionStats: (d) =>
    `Found ${number(d, 'toExtendBlobCount')} blobs and extended the retention of ${number(d, 'extendedBlobCount')} by ${String(d['retentionPeriod'] ?? '0s')}`,
  cleanupLogsStats: (d) =>
    `Found ${counted(d, 'toDeleteBlobCount', 'toDeleteBlobSize')} logs blobs for deletion and deleted ${counted(d, 'deletedBlobCount', 'deletedBlobSize')} of them. Retained ${counted(d, 'retainedBlobCount', 'retainedBlobSize')} log blobs.`,
  advanceEpochStats: (d) =>
    d['wasAdvanced'] === true ? `Advanced epoch to ${number(d, 'currentEpoch')}` : `Stayed at epoch ${number(d, 'currentEpoch')}`,
  compactSingleEpochStats: (d) =>
    `Compacted ${counted(d, 'supersededIndexBlobCount', 'supersededIndexTotalSize')} index blobs for epoch ${number(d, 'epoch')}`,
  generateRangeCheckpointStats: (d) =>
    `Generated a range checkpoint from epoch ${number(d, 'rangeMinEpoch')} to ${number(d, 'rangeMaxEpoch')} inclusive`,
  cleanupMarkersStats: (d) =>
    `Cleaned up ${number(d, 'deletedEpochMarkerBlobCount')} epoch markers and ${number(d, 'deletedWatermarkBlobCount')} deletion watermarks`,
  cleanupSupersededIndexesStats: (d) =>
    `Cleaned up ${counted(d, 'deletedBlobCount', 'deletedTotalSize')} superseded index blobs, max replacement time ${time(d, 'maxReplacementTime')}`,
}

/** What a maintenance task did, from the statistics of its run; '' for kinds that are not known. */
export function maintenanceSummary(extra: readonly JsonValue[]): string {
  const found = extra.map((value) => {
    const { kind, data } = (value ?? {}) as { readonly kind?: unknown; readonly data?: unknown }
    const sentence = typeof kind === 'string' && Object.hasOwn(sentences, kind) ? sentences[kind] : undefined
    return sentence?.(typeof data === 'object' && data !== null ? (data as Data) : {}) ?? ''
  })
  return found.filter((text) => text !== '').join('; ')
}
