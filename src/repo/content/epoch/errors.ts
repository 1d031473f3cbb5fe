import { KuraError } from '#base/errors.ts'

/** Index blobs were written, but so slowly that readers may already have stopped looking for them; they were removed again. */
export class SlowIndexWriteError extends KuraError {
  readonly code = 'SLOW_INDEX_WRITE'
  override readonly retry = true
}

/** What was seen of the storage went out of date while it was being used. */
export class ExpiredEpochStateError extends KuraError {
  readonly code = 'EXPIRED_EPOCH_STATE'
  override readonly retry = true
}
