import { newCounters } from '#snapshot/model/counters.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'

/** Something that profiles are told of, with what its templates can use (spec 05, 5.7.3 and 5.7.4). */
export type NotificationEvent = TestEvent | ErrorEvent | SnapshotReportEvent

export interface TestEvent {
  readonly name: 'test-notification'
}

export interface ErrorEvent {
  readonly name: 'generic-error'
  readonly operation: string
  readonly operationDetails: string
  readonly startNs: bigint
  readonly endNs: bigint
  readonly errorMessage: string
  readonly errorDetails: string
}

export interface SnapshotReportEvent {
  readonly name: 'snapshot-report'
  readonly snapshots: readonly ReportedSnapshot[]
}

/** One source of a report. */
export interface ReportedSnapshot {
  /** Where nothing could be read, it has but the source and the times. */
  readonly manifest: Snapshot
  readonly previous?: Snapshot | undefined
  /** Why there is no snapshot, '' when there is one. */
  readonly error: string
}

export type SnapshotStatus = 'fatal' | 'incomplete' | 'warnings' | 'success'

/** How one snapshot went: error, incompleteness, fatal errors and ignored ones are looked at in this order. */
export function statusOf({ manifest, error }: ReportedSnapshot): SnapshotStatus {
  const summary = manifest.rootEntry?.summary
  if (error !== '') return 'fatal'
  if (manifest.incomplete) return 'incomplete'
  if ((summary?.fatalErrorCount ?? 0) > 0) return 'fatal'
  return (summary?.ignoredErrorCount ?? 0) > 0 ? 'warnings' : 'success'
}

/** `fatal` if any snapshot is, else `warnings` if any is, else `success`. */
export function overallStatus(snapshots: readonly ReportedSnapshot[]): SnapshotStatus {
  const all = snapshots.map(statusOf)
  return (['fatal', 'warnings'] as const).find((status) => all.includes(status)) ?? 'success'
}

/** The sentence that a report begins with. */
export function overallSentence(snapshots: readonly ReportedSnapshot[]): string {
  const [first] = snapshots
  const only = snapshots.length === 1 && first ? `a snapshot of ${first.manifest.source.path}` : undefined
  const failed = snapshots.filter((s) => statusOf(s) === 'fatal').length
  if (failed === 0) return `Successfully created ${only ?? `${snapshots.length} snapshots`}`
  return `Failed to create ${only ?? `${failed} of ${snapshots.length} snapshots`}`
}

/** Stands in a report for a snapshot that could not be made. */
export const unmadeSnapshot = (source: SourceInfo, nowNs: bigint): Snapshot => ({
  id: '',
  source,
  description: '',
  startNs: nowNs,
  endNs: nowNs,
  stats: newCounters(),
  tags: {},
  pins: [],
})
