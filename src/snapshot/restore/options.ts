import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'

/** How entries are written to a local folder (spec 06, 7.4; spec 07, 7.4.3). */
export interface LocalRestoreOptions {
  readonly overwriteDirectories: boolean
  readonly overwriteFiles: boolean
  readonly overwriteSymlinks: boolean
  readonly skipExisting: boolean
  readonly skipOwners: boolean
  readonly skipPermissions: boolean
  readonly skipTimes: boolean
  /** Sub-directories get the time that they had, not the newest one of what is in them. */
  readonly ownFolderTimes: boolean
  readonly ignorePermissionErrors: boolean
  readonly writeFilesAtomically: boolean
  readonly writeSparseFiles: boolean
  readonly flushFiles: boolean
  readonly deleteExtra: boolean
  /** What an earlier restore has done already is left: judged by size and time, or by size and contents. */
  readonly resume: 'no' | 'time' | 'content'
  /** Files and directories deeper than this become placeholders; the root is at 0. */
  readonly shallowDepth: number
  /** Files of fewer bytes never become placeholders. */
  readonly shallowMinBytes: number
  /** Files written at once. */
  readonly parallel: number
}

export const defaultRestoreOptions: LocalRestoreOptions = {
  overwriteDirectories: true,
  overwriteFiles: true,
  overwriteSymlinks: true,
  skipExisting: false,
  skipOwners: false,
  skipPermissions: false,
  skipTimes: false,
  ownFolderTimes: false,
  ignorePermissionErrors: true,
  writeFilesAtomically: false,
  writeSparseFiles: false,
  flushFiles: false,
  deleteExtra: false,
  resume: 'no',
  shallowDepth: Number.POSITIVE_INFINITY,
  shallowMinBytes: 0,
  parallel: 8,
}

/** Counters of one restore (spec 07, 7.4.6). */
export interface RestoreCounters {
  files: number
  directories: number
  symlinks: number
  bytes: number
  enqueuedFiles: number
  enqueuedDirectories: number
  enqueuedSymlinks: number
  enqueuedBytes: number
  skipped: number
  skippedBytes: number
  deletedFiles: number
  deletedDirectories: number
  deletedSymlinks: number
}

export interface RestoreFailure {
  /** Relative to the target, '/'-separated; '.' is the target itself. */
  readonly path: string
  readonly error: unknown
}

export interface RestoreResult {
  readonly counters: RestoreCounters
  /** Every entry that could not be restored in full; empty when all went well. */
  readonly failures: readonly RestoreFailure[]
}

export interface RestoreObserver {
  progress?(counters: RestoreCounters): void
  failed?(failure: RestoreFailure): void
}

/** A tree or a single file to restore: the entry is enough, its name does not matter. */
export type RestoreRoot = DirectoryEntry

export const newRestoreCounters = (): RestoreCounters => ({
  files: 0,
  directories: 0,
  symlinks: 0,
  bytes: 0,
  enqueuedFiles: 0,
  enqueuedDirectories: 0,
  enqueuedSymlinks: 0,
  enqueuedBytes: 0,
  skipped: 0,
  skippedBytes: 0,
  deletedFiles: 0,
  deletedDirectories: 0,
  deletedSymlinks: 0,
})
