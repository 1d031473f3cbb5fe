import { messageOf } from '#base/errors.ts'
import type { FinishedJob, Flusher } from './flusher.ts'

/** What `.kura/status` and the socket say of one overlay. */
export interface OverlayStatus {
  readonly state: string
  readonly dirty_files: number
  readonly dirty_bytes: number
  readonly spool_used: number
  readonly spool_limit: number
  /** Uploaded ahead of flushes since the mount began. */
  readonly pre_uploaded: { readonly files: number; readonly bytes: number }
  readonly lower: string
  readonly job: {
    readonly id: number
    readonly phase: string
    readonly done: number
    readonly total: number
    readonly bytes: number
  } | null
  readonly last: LastStatus | null
}

export interface LastStatus {
  readonly snapshot_id: string
  readonly root_object_id: string
  readonly started: string
  readonly ended: string
  readonly files: number
  readonly bytes: number
  readonly new_bytes: number
  readonly dropped: { readonly xattrs: number; readonly special: number; readonly links: number }
  readonly open_files: readonly string[]
  readonly identical: boolean
  readonly concurrent: string
  readonly error: string
}

const iso = (ms: number): string => new Date(ms).toISOString()

/** The state of an overlay as plain data. Source: spec 08, 4.7. */
export function statusOf(flusher: Flusher): OverlayStatus {
  const { staging, job, last } = flusher
  const usage = staging.usage()
  return {
    state: flusher.state,
    dirty_files: usage.dirtyFiles,
    dirty_bytes: usage.dirtyBytes,
    spool_used: usage.spoolUsedBytes,
    spool_limit: usage.spoolLimitBytes,
    pre_uploaded: { files: flusher.ahead.files, bytes: flusher.ahead.bytes },
    lower: staging.lower?.snapshotId ?? '',
    job: job ? { id: job.id, phase: job.phase, done: job.files, total: usage.dirtyFiles, bytes: job.bytes } : null,
    last: last ? lastStatusOf(last) : null,
  }
}

/** What came of a flush as plain data. Source: spec 08, 4.7. */
export function lastStatusOf({ result, startedMs, endedMs, error }: FinishedJob): LastStatus {
  const tree = result?.tree
  return {
    snapshot_id: result?.snapshot.id ?? '',
    root_object_id: tree?.rootEntry.objectId ?? '',
    started: iso(startedMs),
    ended: iso(endedMs),
    files: tree?.counters.fileCount ?? 0,
    bytes: tree?.counters.totalBytes ?? 0,
    new_bytes: result?.newBytes ?? 0,
    dropped: { xattrs: result?.droppedXattrs ?? 0, special: tree?.droppedSpecial ?? 0, links: tree?.droppedLinks ?? 0 },
    open_files: tree?.written ?? [],
    identical: result?.isIdentical ?? false,
    concurrent: result?.concurrentId ?? '',
    error: error === undefined ? '' : messageOf(error),
  }
}
