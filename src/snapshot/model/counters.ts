import type { SnapshotStats } from './snapshot.ts'

/** Counters of a manifest's `stats` while they grow (spec 07, 7.1.8). */
export type SnapshotCounters = { -readonly [K in keyof SnapshotStats]: SnapshotStats[K] }

/** All zero, as for a snapshot that nothing was read of. */
export const newCounters = (): SnapshotCounters => ({
  totalBytes: 0,
  excludedBytes: 0,
  fileCount: 0,
  cachedFileCount: 0,
  nonCachedFileCount: 0,
  directoryCount: 0,
  excludedFileCount: 0,
  excludedDirectoryCount: 0,
  ignoredErrorCount: 0,
  errorCount: 0,
})
