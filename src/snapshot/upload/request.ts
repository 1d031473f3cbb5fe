import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import type { PolicyTree } from '#snapshot/policy/policy.ts'
import type { ActionSettings } from './hooks.ts'
import type { LossReport } from './losses.ts'

/** A file whose bytes come from a stream, which can be read once. */
export interface StreamedFile {
  readonly name: string
  readonly data: AsyncIterable<Uint8Array>
}

/** What to read and how (spec 07, 7.1.2). */
export interface UploadRequest {
  readonly source: SourceInfo
  /** Absolute local path to read: the source with a symlink at its end resolved. */
  readonly localPath: string
  readonly policyTree: PolicyTree
  /** Earlier snapshots to take unchanged files from, the most wanted first (spec 07, 7.1.3). */
  readonly previous: readonly Snapshot[]
  /** Files read at once; 0 or absent: the policy's, else the number of CPUs. */
  readonly parallel?: number
  /** Percentage of unchanged files that are read all the same. */
  readonly forceHashPercent?: number
  readonly uploadLimitBytes?: number
  readonly checkpointIntervalMs?: number
  readonly failFast?: boolean
  /** The source is a folder with this file alone; nothing is read at `localPath`. */
  readonly stream?: StreamedFile
  /** Absent: the policies' actions are passed over in silence. */
  readonly actions?: ActionSettings
}

/** Called for every entry that is done; cheap calls only. Paths are relative to the snapshot root, '/'-separated. */
export interface UploadObserver {
  hashing?(path: string): void
  hashed?(path: string, sizeBytes: number): void
  hashedBytes?(bytes: number): void
  cached?(path: string, sizeBytes: number): void
  /** False: `cached` may be given '' for a path, which saves making them. */
  readonly takesCachedPaths?: boolean
  excluded?(path: string, isDirectory: boolean, sizeBytes: number): void
  failed?(path: string, error: unknown, ignored: boolean): void
  directory?(path: string): void
  directoryDone?(path: string, entry: DirectoryEntry, durationMs: number): void
  checkpoint?(manifestId: string): void
  note?(message: string): void
}

export interface UploadResult {
  /** As it would be saved: no ID, no description, tags or pins yet. */
  readonly snapshot: Snapshot
  readonly losses: LossReport
}
