import type { DirectoryEntry, DirectorySummary } from '#snapshot/model/directory-entry.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { formatSource } from '#snapshot/model/source-text.ts'
import {
  type ErrorEvent,
  type NotificationEvent,
  overallSentence,
  overallStatus,
  type ReportedSnapshot,
  type SnapshotReportEvent,
  statusOf,
} from './events.ts'
import { PrintedValue, type TemplateObject, type TemplateValue } from './template/values.ts'
import { durationValue, type TextForms, timeValue } from './template-functions.ts'

const secondNs = 1_000_000_000n
const tenthNs = 100_000_000n

/** What `.EventArgs` is in the templates of an event, under the names of the reference (spec 05, 5.7.3). */
export function eventValues(event: NotificationEvent, forms: TextForms): TemplateValue {
  if (event.name === 'generic-error') return errorValues(event, forms)
  return event.name === 'snapshot-report' ? reportValues(event, forms) : {}
}

const errorValues = (event: ErrorEvent, forms: TextForms): TemplateObject => ({
  Operation: event.operation,
  OperationDetails: event.operationDetails,
  StartTime: timeValue(event.startNs),
  EndTime: timeValue(event.endNs),
  ErrorMessage: event.errorMessage,
  ErrorDetails: event.errorDetails,
  StartTimestamp: timeValue(wholeSeconds(event.startNs)),
  EndTimestamp: timeValue(wholeSeconds(event.endNs)),
  Duration: durationValue(wholeSeconds(event.endNs) - wholeSeconds(event.startNs), forms),
})

const wholeSeconds = (ns: bigint): bigint => (ns / secondNs) * secondNs

const reportValues = ({ snapshots }: SnapshotReportEvent, forms: TextForms): TemplateObject => ({
  Snapshots: snapshots.map((s) => snapshotValues(s, forms)),
  OverallStatus: overallSentence(snapshots),
  OverallStatusCode: overallStatus(snapshots),
})

function snapshotValues(reported: ReportedSnapshot, forms: TextForms): TemplateObject {
  const { manifest, previous, error } = reported
  const now = totals(manifest)
  const before = previous ? totals(previous) : now
  const took = manifest.endNs - manifest.startNs
  return {
    Manifest: manifestValues(manifest),
    Previous: previous ? manifestValues(previous) : null,
    Error: error,
    StatusCode: statusOf(reported),
    StartTimestamp: timeValue(wholeSeconds(manifest.startNs)),
    EndTimestamp: timeValue(wholeSeconds(manifest.endNs)),
    Duration: durationValue(((took + tenthNs / 2n) / tenthNs) * tenthNs, forms),
    TotalSize: now.bytes,
    TotalSizeDelta: now.bytes - before.bytes,
    TotalFiles: now.files,
    TotalFilesDelta: now.files - before.files,
    TotalDirs: now.directories,
    TotalDirsDelta: now.directories - before.directories,
  }
}

function totals({ rootEntry }: Snapshot): { bytes: number; files: number; directories: number } {
  if (!rootEntry) return { bytes: 0, files: 0, directories: 0 }
  const { summary } = rootEntry
  if (!summary) return { bytes: rootEntry.sizeBytes, files: rootEntry.type === 'f' ? 1 : 0, directories: 0 }
  return { bytes: summary.totalBytes, files: summary.fileCount, directories: summary.directoryCount }
}

const texts = (record: Readonly<Record<string, string>>): ReadonlyMap<string, TemplateValue> => new Map(Object.entries(record))

const manifestValues = (manifest: Snapshot): TemplateObject => ({
  ID: manifest.id,
  Source: new PrintedValue(formatSource(manifest.source), {
    Host: manifest.source.host,
    UserName: manifest.source.user,
    Path: manifest.source.path,
  }),
  Description: manifest.description,
  StartTime: timeValue(manifest.startNs),
  EndTime: timeValue(manifest.endNs),
  IncompleteReason: manifest.incomplete ?? '',
  Tags: texts(manifest.tags),
  Pins: manifest.pins,
  Stats: {
    TotalFileSize: manifest.stats.totalBytes,
    TotalFileCount: manifest.stats.fileCount,
    CachedFiles: manifest.stats.cachedFileCount,
    NonCachedFiles: manifest.stats.nonCachedFileCount,
    TotalDirectoryCount: manifest.stats.directoryCount,
    ErrorCount: manifest.stats.errorCount,
    IgnoredErrorCount: manifest.stats.ignoredErrorCount,
  },
  RootEntry: manifest.rootEntry ? entryValues(manifest.rootEntry) : null,
})

const entryValues = (entry: DirectoryEntry): TemplateObject => ({
  Name: entry.name,
  FileSize: entry.sizeBytes,
  ModTime: timeValue(entry.modifiedNs),
  ObjectID: entry.objectId,
  DirSummary: entry.summary ? summaryValues(entry.summary) : null,
})

const summaryValues = (summary: DirectorySummary): TemplateObject => ({
  TotalFileSize: summary.totalBytes,
  TotalFileCount: summary.fileCount,
  TotalSymlinkCount: summary.symlinkCount,
  TotalDirCount: summary.directoryCount,
  FatalErrorCount: summary.fatalErrorCount,
  IgnoredErrorCount: summary.ignoredErrorCount,
  FailedEntries: summary.errors.map(({ path, error }) => ({ EntryPath: path, Error: error })),
})
