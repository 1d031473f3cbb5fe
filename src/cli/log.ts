import type { CommandIo } from './io.ts'

export const logLevels = ['debug', 'info', 'warning', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

/** Takes finished lines. */
export interface LineFile {
  append(line: string): void
  close(): void
}

export interface LogSink {
  /** False when records of debug level are dropped. */
  readonly takesDebug: boolean
  write(level: LogLevel, message: string): void
  close?(): void
}

/** Sends records to the console and, where there is one, to the log file. */
export class Log {
  constructor(
    readonly sinks: readonly LogSink[],
    /** The content log file, where there is one. */
    readonly content?: LineFile,
  ) {}

  get takesDebug(): boolean {
    return this.sinks.some((sink) => sink.takesDebug)
  }

  debug(message: string): void {
    this.#write('debug', message)
  }
  info(message: string): void {
    this.#write('info', message)
  }
  warning(message: string): void {
    this.#write('warning', message)
  }
  error(message: string): void {
    this.#write('error', message)
  }

  close(): void {
    for (const sink of this.sinks) sink.close?.()
    this.content?.close()
  }

  #write(level: LogLevel, message: string): void {
    for (const sink of this.sinks) sink.write(level, message)
  }
}

export interface ConsoleLogOptions {
  readonly level: LogLevel
  readonly json: boolean
  readonly timestamps: boolean
}

/** The console log on stderr: one record a line, nothing but the message (spec 06, 5.2). */
export class ConsoleLog implements LogSink {
  readonly #least: number

  constructor(
    readonly io: CommandIo,
    readonly options: ConsoleLogOptions,
    readonly nowMs: () => number = Date.now,
  ) {
    this.#least = logLevels.indexOf(options.level)
  }

  get takesDebug(): boolean {
    return this.#least === 0
  }

  write(level: LogLevel, message: string): void {
    if (logLevels.indexOf(level) < this.#least) return
    const now = new Date(this.nowMs())
    if (this.options.json) {
      const time = this.options.timestamps ? { t: now.toISOString() } : {}
      this.io.err(`${JSON.stringify({ ...time, n: 'kopia/cli', m: message })}\n`)
      return
    }
    const stamp = this.options.timestamps ? `${clockText(now)} ` : ''
    this.io.err(`${stamp}${message}\n`)
  }
}

function clockText(at: Date): string {
  const two = (n: number) => String(n).padStart(2, '0')
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, '0')}`
}
