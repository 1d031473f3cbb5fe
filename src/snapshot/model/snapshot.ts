import type { DirectoryEntry } from './directory-entry.ts'
import type { SourceInfo } from './source.ts'

/** A snapshot manifest (spec 03, 6.1). `id` is the manifest ID ('' before it is saved). */
export interface Snapshot {
  readonly id: string
  readonly source: SourceInfo
  readonly description: string
  readonly startNs: bigint
  readonly endNs: bigint
  readonly stats: SnapshotStats
  readonly incomplete?: string
  readonly rootEntry?: DirectoryEntry
  /** Keys carry the `tag:` prefix. */
  readonly tags: Readonly<Record<string, string>>
  readonly pins: readonly string[]
  /** Kept as parsed, written back unchanged (spec 03, 6.6). */
  readonly storageStats?: unknown
}

/** Spec 03, 6.2. */
export interface SnapshotStats {
  readonly totalBytes: number
  readonly excludedBytes: number
  readonly fileCount: number
  readonly cachedFileCount: number
  readonly nonCachedFileCount: number
  readonly directoryCount: number
  readonly excludedFileCount: number
  readonly excludedDirectoryCount: number
  readonly ignoredErrorCount: number
  readonly errorCount: number
}
