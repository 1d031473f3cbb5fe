import type { ObjectId } from '#repo/object/object.ts'

/** One entry of a directory object, as stored (spec 03, 5.1). */
export interface DirectoryEntry {
  /** Name as text. A byte that was not UTF-8 when the entry was made is U+FFFD once stored. */
  readonly name: string
  /** 'f', 'd', 's', or whatever an unknown writer put there. */
  readonly type: string
  /** Unix permission bits 07777 (converted from Go's mode bits). */
  readonly mode: number
  readonly sizeBytes: number
  readonly modifiedNs: bigint
  readonly uid: number
  readonly gid: number
  readonly objectId: ObjectId | ''
  readonly summary?: DirectorySummary
}

/** Spec 03, 5.2. */
export interface DirectorySummary {
  readonly totalBytes: number
  readonly fileCount: number
  readonly symlinkCount: number
  readonly directoryCount: number
  readonly maxTimeNs: bigint
  readonly incomplete?: string
  readonly fatalErrorCount: number
  readonly ignoredErrorCount: number
  readonly errors: readonly { readonly path: string; readonly error: string }[]
}
