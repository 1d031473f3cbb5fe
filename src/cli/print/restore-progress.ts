import type { Clock } from '#base/clock.ts'
import { messageOf } from '#base/errors.ts'
import type { RestoreCounters, RestoreFailure, RestoreObserver } from '#snapshot/restore/options.ts'
import type { CommandContext } from '../context.ts'
import { goDuration } from './duration.ts'
import { ProgressLine, remainingTime } from './progress.ts'
import { oneDecimal, type SizePrinter } from './sizes.ts'

/** The last line of a restore (spec 06, 7.6). */
export function restoredLine(counters: RestoreCounters, ignoredErrors: number, sizes: SizePrinter): string {
  const { files, directories, symlinks, bytes, skipped, skippedBytes } = counters
  let text = `Restored ${files} files, ${directories} directories and ${symlinks} symbolic links (${sizes.bytes(bytes)})`
  if (skipped > 0) text += `, skipped ${skipped} (${sizes.bytes(skippedBytes)})`
  if (counters.deletedDirectories > 0) text += `, deleted directories ${counters.deletedDirectories}`
  if (counters.deletedFiles > 0) text += `, deleted files ${counters.deletedFiles}`
  if (counters.deletedSymlinks > 0) text += `, deleted symbolic links ${counters.deletedSymlinks}`
  if (ignoredErrors > 0) text += `, ignored ${ignoredErrors} errors`
  return `${text}.`
}

const intervalMs = 300

/** Progress and failures of a restore (spec 06, 7.6). */
export class RestoreProgress implements RestoreObserver {
  readonly #line: ProgressLine
  readonly #startMs: number
  #ignored = 0

  constructor(
    readonly c: CommandContext,
    readonly clock: Clock,
    readonly ignoreErrors: boolean,
  ) {
    this.#startMs = clock.nowMs()
    this.#line = new ProgressLine(c.io, intervalMs, () => clock.nowMs())
  }

  progress(counters: RestoreCounters): void {
    if (this.c.showsProgress && counters.bytes > 0) this.#line.draw(() => this.#text(counters))
  }

  failed(failure: RestoreFailure): void {
    this.#line.end()
    if (this.ignoreErrors) {
      this.#ignored++
      this.c.log.error(`ignored error on ${failure.path}: ${messageOf(failure.error)}`)
    } else this.c.log.error(`cannot restore ${failure.path}: ${messageOf(failure.error)}`)
  }

  end(): void {
    this.#line.end()
  }

  #text(n: RestoreCounters): string {
    const { sizes } = this.c
    const done = n.files + n.directories + n.symlinks + n.skipped
    const doneBytes = n.bytes + n.skippedBytes
    const all = n.enqueuedFiles + n.enqueuedDirectories + n.enqueuedSymlinks
    const skipped = n.skipped > 0 ? `, skipped ${n.skipped} (${sizes.bytes(n.skippedBytes)})` : ''
    const ignored = this.#ignored > 0 ? `, ignored ${this.#ignored} errors` : ''
    const elapsedMs = this.clock.nowMs() - this.#startMs
    const rest = remainingTime(doneBytes, n.enqueuedBytes, elapsedMs)
    const speed = rest
      ? ` ${sizes.speed((n.bytes * 1000) / elapsedMs)} (${oneDecimal(rest.percent)}%) remaining ${goDuration(rest.remainingNs)}`
      : ''
    return `Processed ${done} (${sizes.bytes(doneBytes)}) of ${all} (${sizes.bytes(n.enqueuedBytes)})${skipped}${ignored}${speed}.`
  }
}
