/** A policy as stored (spec 03, 7.2). The JSON member names are kept, since the same object is merged, shown and written.
 *  Every section is always there (maybe empty); an absent member is unset, which differs from false and 0. */
export interface Policy {
  readonly retention: RetentionPolicy
  readonly files: FilesPolicy
  readonly errorHandling: ErrorHandlingPolicy
  readonly scheduling: SchedulingPolicy
  readonly compression: CompressionPolicy
  readonly metadataCompression: { readonly compressorName?: string }
  readonly splitter: { readonly algorithm?: string }
  readonly actions: ActionsPolicy
  readonly osSnapshots: { readonly volumeShadowCopy: { readonly enable?: number } }
  readonly logging: LoggingPolicy
  readonly upload: UploadPolicy
  readonly noParent?: boolean
}
export interface RetentionPolicy {
  readonly keepLatest?: number
  readonly keepHourly?: number
  readonly keepDaily?: number
  readonly keepWeekly?: number
  readonly keepMonthly?: number
  readonly keepAnnual?: number
  readonly ignoreIdenticalSnapshots?: boolean
}
export interface FilesPolicy {
  readonly ignore?: readonly string[]
  readonly noParentIgnore?: boolean
  readonly ignoreDotFiles?: readonly string[]
  readonly noParentDotFiles?: boolean
  readonly ignoreCacheDirs?: boolean
  readonly maxFileSize?: number
  readonly oneFileSystem?: boolean
}
export interface ErrorHandlingPolicy {
  readonly ignoreFileErrors?: boolean
  readonly ignoreDirectoryErrors?: boolean
  readonly ignoreUnknownTypes?: boolean
}
export interface SchedulingPolicy {
  readonly intervalSeconds?: number
  readonly timeOfDay?: readonly { readonly hour: number; readonly min: number }[]
  readonly noParentTimeOfDay?: boolean
  readonly manual?: boolean
  readonly cron?: readonly string[]
  readonly runMissed?: boolean
}
export interface CompressionPolicy {
  readonly compressorName?: string
  readonly onlyCompress?: readonly string[]
  readonly noParentOnlyCompress?: boolean
  readonly neverCompress?: readonly string[]
  readonly noParentNeverCompress?: boolean
  readonly minSize?: number
  readonly maxSize?: number
}
export interface Action {
  readonly path?: string
  readonly args?: readonly string[]
  readonly script?: string
  readonly timeout?: number
  readonly mode?: string
}
export interface ActionsPolicy {
  readonly beforeFolder?: Action
  readonly afterFolder?: Action
  readonly beforeSnapshotRoot?: Action
  readonly afterSnapshotRoot?: Action
}
export interface LoggingPolicy {
  readonly directories: { readonly snapshotted?: number; readonly ignored?: number }
  readonly entries: { readonly snapshotted?: number; readonly ignored?: number; readonly cacheHit?: number; readonly cacheMiss?: number }
}
export interface UploadPolicy {
  readonly maxParallelSnapshots?: number
  readonly maxParallelFileReads?: number
  readonly parallelUploadAboveSize?: number
}

/** The policies in force at a folder and below it (spec 03, 7.4). */
export interface PolicyTree {
  readonly effective: Policy
  /** True when a policy is defined at exactly this folder. */
  readonly isDefined: boolean
  child(name: string): PolicyTree
}
