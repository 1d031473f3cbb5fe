import { KuraError, messageOf } from '#base/errors.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import type { Staging } from '../staging/staging.ts'
import { PreUploader } from './pre-upload.ts'
import { type FlushOptions, type FlushResult, flushToSnapshot, LowerMissingError, requireLower } from './snapshot.ts'

export interface FlusherOptions extends Omit<FlushOptions, 'lowerId' | 'source' | 'rebase' | 'uploaded'> {
  readonly source: SourceInfo
  /** Without a change for this long, and nothing open for writing: flush. */
  readonly flushAfterMs: number
  /** At the latest this long after the first change. */
  readonly flushEveryMs: number
  /** How long a flush waits for files that are open for writing. */
  readonly quiesceMs: number
  /** Told of each error, to be kept for whoever looks later. */
  readonly onError?: (error: FlushError) => void
  /** Told after each job, before whoever waits for it. */
  readonly onDone?: (job: FinishedJob) => void
}

export type FlushState = 'clean' | 'dirty' | 'flushing' | 'failed'

/** What became of a job (spec 08, 4.7 `last`). */
export interface FinishedJob {
  readonly id: number
  readonly startedMs: number
  readonly endedMs: number
  readonly result?: FlushResult
  readonly error?: unknown
}

export interface FlushError {
  readonly timeMs: number
  readonly code: string
  readonly message: string
}

interface Job {
  readonly id: number
  readonly done: Promise<FinishedJob>
  phase: string
  files: number
  bytes: number
}

const firstRetryMs = 60_000
const longestRetryMs = 3_600_000
const keptErrors = 100
/** Shares of the spool above which contents are uploaded ahead (spec 08, 4.9), and above which it is flushed without waiting, since only a
 *  flush makes room; how often that is looked at. */
const highMark = 0.7
const flushMark = 0.8
const lookEveryMs = 500
const roomLookMs = 1_000

/** Flushes one overlay when its time has come, one job at a time, and tries again what failed. Writers are never held up.
 *  Source: spec 08, 4.7 and 4.8. */
export class Flusher {
  readonly errors: FlushError[] = []
  last: FinishedJob | undefined
  readonly ahead: PreUploader
  #job: Job | undefined
  #next: Promise<FinishedJob> | undefined
  #timer: NodeJS.Timeout | undefined
  #failures = 0
  #jobs = 0
  #stopped = false
  /** A writer waits for room. */
  #isAwaited = false
  #lookedMs = Number.NEGATIVE_INFINITY

  constructor(
    readonly repository: Repository,
    readonly staging: Staging,
    readonly options: FlusherOptions,
  ) {
    this.ahead = new PreUploader(repository, staging, options)
    staging.onChange = () => this.#changed()
    staging.onFull = () => this.#room()
    this.#schedule()
    void this.#checkLower()
  }

  /** What stands on a snapshot that is gone is in danger: the state says so at once, not only when there is something to flush. */
  async #checkLower(): Promise<void> {
    const { lower } = this.staging
    if (!lower) return
    try {
      await requireLower(this.repository, lower.snapshotId, this.options.source)
    } catch (error) {
      if (!(error instanceof LowerMissingError)) return
      this.#failures = Math.max(1, this.#failures)
      this.#keepError(error, this.repository.clock.nowMs())
    }
  }

  get state(): FlushState {
    if (this.#job) return 'flushing'
    if (this.#failures > 0) return 'failed'
    return this.staging.usage().firstChangeMs === undefined ? 'clean' : 'dirty'
  }

  get job(): Readonly<Omit<Job, 'done'>> | undefined {
    return this.#job
  }

  /** Flushes what is there now. Joins a job that runs only when nothing has changed since it began; else one follows it. Never rejects. */
  flush(): Promise<FinishedJob> {
    if (!this.#job) return this.#start()
    this.#next ??= this.#job.done.then(() => {
      this.#next = undefined
      return this.staging.usage().firstChangeMs === undefined && this.last?.error === undefined && this.last ? this.last : this.#start()
    })
    return this.#next
  }

  /** No more timers; waits for the job that runs. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.staging.onChange = undefined
    this.staging.onFull = undefined
    await this.ahead.stop()
    await (this.#next ?? this.#job?.done)
  }

  #start(): Promise<FinishedJob> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const id = ++this.#jobs
    const startedMs = this.repository.clock.nowMs()
    const job = { id, phase: 'waiting for writers', files: 0, bytes: 0 } as { -readonly [K in keyof Job]: Job[K] }
    job.done = this.#run(job).then(
      (result) => this.#finish({ id, startedMs, endedMs: this.repository.clock.nowMs(), result }),
      (error: unknown) => this.#finish({ id, startedMs, endedMs: this.repository.clock.nowMs(), error }),
    )
    this.#job = job
    return job.done
  }

  async #run(job: Job): Promise<FlushResult> {
    await this.#quiet()
    await this.ahead.stop()
    const { lower } = this.staging
    return flushToSnapshot(
      this.repository,
      this.staging.freeze(),
      { ...this.options, lowerId: lower?.snapshotId, uploaded: this.ahead.uploaded },
      {
        phase: (phase) => {
          job.phase = phase
        },
        file: (_path, sizeBytes) => {
          job.files++
          job.bytes += sizeBytes
        },
      },
    )
  }

  /** Writers are waited for, unless they wait for the flush. */
  async #quiet(): Promise<void> {
    const untilMs = performance.now() + this.options.quiesceMs
    const isBusy = (): boolean => {
      const { openWriters, spoolUsedBytes, spoolLimitBytes } = this.staging.usage()
      return openWriters > 0 && !this.#isAwaited && spoolUsedBytes <= flushMark * spoolLimitBytes
    }
    while (isBusy() && performance.now() < untilMs) await new Promise((resolve) => setTimeout(resolve, 50))
  }

  /** The spool is full: only a flush makes room. None is to be hoped for while flushes fail, or when nothing is left to be flushed. */
  #room(): Promise<void> | undefined {
    if (this.#stopped || this.#failures > 0) return undefined
    if (!this.#job && this.staging.usage().firstChangeMs === undefined) return undefined
    this.#isAwaited = true
    const done = this.#job?.done ?? this.flush()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, roomLookMs)
      void done.then(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  #finish(finished: FinishedJob): FinishedJob {
    this.#job = undefined
    this.#isAwaited = false
    if (!this.#stopped) this.ahead.go()
    this.last = finished
    if (finished.error === undefined) this.#failures = 0
    else {
      this.#failures++
      this.#keepError(finished.error, finished.endedMs)
    }
    this.options.onDone?.(finished)
    this.#schedule()
    return finished
  }

  #keepError(error: unknown, timeMs: number): void {
    const kept = { timeMs, code: error instanceof KuraError ? error.code : 'INTERNAL', message: messageOf(error) }
    this.errors.push(kept)
    if (this.errors.length > keptErrors) this.errors.shift()
    this.options.onError?.(kept)
  }

  #changed(): void {
    const nowMs = performance.now()
    if (nowMs - this.#lookedMs > lookEveryMs) {
      this.#lookedMs = nowMs
      const { spoolUsedBytes, spoolLimitBytes } = this.staging.usage()
      if (spoolUsedBytes > flushMark * spoolLimitBytes && !this.#job && this.#failures === 0) void this.flush()
      else if (spoolUsedBytes > highMark * spoolLimitBytes && !this.#job) this.ahead.wake()
    }
    this.#schedule()
  }

  /** Sets the one timer to when the next flush may be due. */
  #schedule(): void {
    if (this.#stopped || this.#job || this.#timer !== undefined) return
    const { firstChangeMs, lastChangeMs } = this.staging.usage()
    if (firstChangeMs === undefined || lastChangeMs === undefined) return
    const nowMs = this.repository.clock.nowMs()
    const retryMs = this.#failures === 0 ? 0 : Math.min(longestRetryMs, firstRetryMs * 2 ** (this.#failures - 1))
    const dueMs = Math.min(lastChangeMs + this.options.flushAfterMs, firstChangeMs + this.options.flushEveryMs)
    // A clock that was set back must not put the flush off for long.
    const waitMs = Math.max(retryMs, Math.min(dueMs - nowMs, this.options.flushAfterMs), 0)
    this.#timer = setTimeout(() => this.#due(), waitMs)
    this.#timer.unref()
  }

  #due(): void {
    this.#timer = undefined
    const { firstChangeMs, lastChangeMs, openWriters } = this.staging.usage()
    if (this.#job || firstChangeMs === undefined || lastChangeMs === undefined) return
    const nowMs = this.repository.clock.nowMs()
    const isIdle = nowMs - lastChangeMs >= this.options.flushAfterMs && openWriters === 0
    if (isIdle || nowMs - firstChangeMs >= this.options.flushEveryMs || nowMs < firstChangeMs) void this.flush()
    else if (openWriters > 0 && nowMs - lastChangeMs >= this.options.flushAfterMs) this.#again()
    else this.#schedule()
  }

  /** Somebody has a file open and does nothing: look again later. */
  #again(): void {
    this.#timer = setTimeout(() => this.#due(), Math.max(1000, this.options.flushAfterMs / 4))
    this.#timer.unref()
  }
}
