import type { CommandIo } from '../io.ts'

/** A line on stderr that is redrawn in place, at most every `intervalMs` (spec 06, 5.6). */
export class ProgressLine {
  #length = 0
  #drawnMs = Number.NEGATIVE_INFINITY

  constructor(
    readonly io: CommandIo,
    readonly intervalMs: number,
    readonly nowMs: () => number,
  ) {}

  /** Draws what `text` gives, unless it is too early; `force` draws in any case. */
  draw(text: () => string, force = false): void {
    const now = this.nowMs()
    if (!force && now - this.#drawnMs < this.intervalMs) return
    this.#drawnMs = now
    const line = text()
    this.io.err(`\r${line.padEnd(this.#length)}`)
    this.#length = line.length
  }

  /** Ends the line, if one was drawn. */
  end(): void {
    if (this.#length > 0) this.io.err('\n')
    this.#length = 0
  }
}

const speedAfterNs = 1_000_000_000

export interface RemainingTime {
  /** 0 to 100. */
  readonly percent: number
  readonly remainingNs: bigint
}

/** How far work has come and how long the rest will take at the same speed; undefined in the first second or without a total. */
export function remainingTime(doneBytes: number, totalBytes: number, elapsedMs: number): RemainingTime | undefined {
  if (totalBytes <= 0 || doneBytes <= 0 || elapsedMs * 1_000_000 < speedAfterNs) return undefined
  const share = Math.min(1, doneBytes / totalBytes)
  const restMs = Math.max(0, elapsedMs / share - elapsedMs)
  return { percent: share * 100, remainingNs: BigInt(Math.round(restMs / 1000)) * 1_000_000_000n }
}
