import type { Limiter } from '#base/limit.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { SnapshotCounters } from '#snapshot/model/counters.ts'
import type { SmallFileReader } from './file.ts'
import type { LossCollector } from './losses.ts'
import type { ObjectBatcher } from './object-batch.ts'
import type { UploadObserver, UploadRequest } from './request.ts'
import type { SmallFileBatches } from './small-files.ts'
import type { UploadStop } from './stop.ts'

/** What every step of one upload shares. */
export interface UploadContext {
  readonly repository: Repository
  readonly request: UploadRequest
  readonly observer: UploadObserver
  readonly losses: LossCollector
  readonly batcher: ObjectBatcher
  readonly counters: SnapshotCounters
  readonly stop: UploadStop
  /** Large files read at once. */
  readonly largeFiles: Limiter
  /** Files that take part in batches, and the reader of those that have to be looked at by themselves. */
  readonly smallBatches: SmallFileBatches
  readonly smallFiles: SmallFileReader
  /** A file below this many bytes is read at once and goes through the batcher. */
  readonly smallFileBytes: number
  /** Directories walked at once beside the one in hand; see walk.ts. */
  openDirectories: number
}
