import { spawn } from 'node:child_process'
import { messageOf } from '#base/errors.ts'
import type { Repository } from '#repo/repository/repository.ts'
import { formatSource } from '#snapshot/model/source-text.ts'
import type { Control } from '../control.ts'
import { FlushControl } from '../flush/control.ts'
import { noteError } from '../flush/error-log.ts'
import { type FinishedJob, Flusher, type FlusherOptions } from '../flush/flusher.ts'
import type { OpenedOverlay } from './open-overlay.ts'

export interface FlushingOptions
  extends Pick<
    FlusherOptions,
    'flushAfterMs' | 'flushEveryMs' | 'quiesceMs' | 'keepRubbish' | 'keepIdentical' | 'actions' | 'description' | 'tags'
  > {
  /** Run by the shell after each flush, with what came of it in its environment. */
  readonly command?: string | undefined
  readonly info: (line: string) => void
  readonly warn: (line: string) => void
}

/** What a flush came to, for a person. */
export interface FlushOutcome {
  readonly source: string
  readonly snapshotId: string
  /** Nothing had changed: the snapshot is the one that was there. */
  readonly isIdentical: boolean
  readonly files: number
  readonly bytes: number
  /** Empty when all went well. */
  readonly error: string
}

export interface FlushPhase {
  readonly phase: string
  readonly files: number
  readonly bytes: number
}

/** The flushing of all overlays of one mount: on request, by their timers, and once more when the mount has ended. Source: spec 08, 4.7. */
export class Flushing {
  readonly #flushers = new Map<string, Flusher>()
  #refresh: () => Promise<void> = async () => undefined

  constructor(
    private readonly repository: Repository,
    private readonly options: FlushingOptions,
  ) {}

  /** Called once when the overlays are open. `refresh` makes the mount show what is new in the repository. */
  controlOf(overlays: readonly OpenedOverlay[], refresh: () => Promise<void>): Control {
    this.#refresh = refresh
    for (const { name, source, staging, directory, knownId, found } of overlays) {
      const text = formatSource(source)
      const flusher = new Flusher(this.repository, staging, {
        ...this.options,
        source,
        knownId,
        pins: [],
        note: this.options.warn,
        onError: (error) => noteError(directory, error),
        onDone: (job) => this.#onDone(text, job),
      })
      flusher.errors.push(...found)
      this.#flushers.set(name, flusher)
    }
    return new FlushControl(this.#flushers)
  }

  /** Flushes every overlay with changes; resolves when their snapshots are durable and shown. Never rejects. */
  async flush(): Promise<readonly FlushOutcome[]> {
    const all = [...this.#flushers.values()]
    const outcomes = await Promise.all(all.map(async (f) => outcomeOf(formatSource(f.options.source), await f.flush())))
    // After a failure there is nothing new to show, and nobody may wait for a storage that does not answer.
    if (outcomes.some((o) => o.snapshotId !== '')) await this.#refresh()
    return outcomes
  }

  /** What happens now; undefined when nothing is flushed. */
  get progress(): FlushPhase | undefined {
    const jobs = [...this.#flushers.values()].flatMap(({ job }) => (job === undefined ? [] : [job]))
    const [first] = jobs
    if (first === undefined) return undefined
    return { phase: first.phase, files: jobs.reduce((n, j) => n + j.files, 0), bytes: jobs.reduce((n, j) => n + j.bytes, 0) }
  }

  /** The mount has ended: flushes what is not in a snapshot yet, then lets the overlays go. */
  async end(): Promise<readonly FlushOutcome[]> {
    const dirty = [...this.#flushers.values()].filter((f) => f.state !== 'clean')
    const outcomes = await Promise.all(dirty.map(async (f) => outcomeOf(formatSource(f.options.source), await f.flush())))
    await Promise.all([...this.#flushers.values()].map((f) => f.stop()))
    return outcomes
  }

  #onDone(source: string, job: FinishedJob): void {
    const outcome = outcomeOf(source, job)
    if (outcome.error !== '') this.options.warn(`${source} could not be flushed: ${outcome.error} Nothing is lost; it is tried again.`)
    else if (!outcome.isIdentical) this.options.info(`Flushed ${source}: snapshot ${outcome.snapshotId}, ${outcome.files} files`)
    const concurrent = job.result?.concurrentId
    if (concurrent !== undefined)
      this.options.warn(`${source} got the snapshot ${concurrent} from elsewhere meanwhile; what it holds is not in ours. Both stand.`)
    if (outcome.snapshotId !== '') void this.#refresh()
    if (this.options.command !== undefined) this.#run(this.options.command, outcome)
  }

  #run(command: string, { source, snapshotId, error }: FlushOutcome): void {
    const env = {
      ...process.env,
      KURA_SOURCE: source,
      KURA_SNAPSHOT_ID: snapshotId,
      KURA_STATUS: error === '' ? 'ok' : 'failed',
      KURA_ERROR: error,
    }
    const child = spawn('/bin/sh', ['-c', command], { env, stdio: ['ignore', 'inherit', 'inherit'] })
    child.once('error', (e) => this.options.warn(`the command after the flush could not be run: ${messageOf(e)}`))
    child.once('exit', (status) => {
      if (status !== 0) this.options.warn(`the command after the flush ended with status ${status}.`)
    })
    child.unref()
  }
}

const outcomeOf = (source: string, { result, error }: FinishedJob): FlushOutcome => ({
  source,
  snapshotId: result?.snapshot.id ?? '',
  isIdentical: result?.isIdentical ?? false,
  files: result?.tree.counters.fileCount ?? 0,
  bytes: result?.tree.counters.totalBytes ?? 0,
  error: error === undefined ? '' : messageOf(error),
})
