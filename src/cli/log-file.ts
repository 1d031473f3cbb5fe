import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync, writeSync } from 'node:fs'
import { dirname, extname, join, resolve } from 'node:path'
import { messageOf, systemCode } from '#base/errors.ts'
import { logDirectory } from '#base/paths.ts'
import type { GlobalValues } from './context.ts'
import { type LineFile, type LogLevel, type LogSink, logLevels } from './log.ts'

const levelNames: Readonly<Record<LogLevel, string>> = { debug: 'DEBUG', info: 'INFO', warning: 'WARN', error: 'ERROR' }
const cacheTag = 'Signature: 8a477f597d28d172789f06886806bc55\n# This file is a cache directory tag.\n'

interface Limits {
  readonly maxFiles: number
  readonly maxAgeNs: bigint
  readonly maxTotalMb: number
}

/** The log file of this command; created at its first record. Undefined when file logging is off. Source: spec 06, 5.3. */
export function openLogFile(path: readonly string[], values: Readonly<Record<string, unknown>>): LogSink | undefined {
  const settings = values as unknown as GlobalValues
  const limits = {
    maxFiles: settings['log-dir-max-files'],
    maxAgeNs: settings['log-dir-max-age'],
    maxTotalMb: settings['log-dir-max-total-size-mb'],
  }
  const file = openFile(path, settings, settings['log-file'], 'cli-logs', limits)
  return file && new FileLog(settings, file)
}

/** The file that gets the content log, likewise. */
export function openContentLogFile(path: readonly string[], values: Readonly<Record<string, unknown>>): LineFile | undefined {
  const settings = values as unknown as GlobalValues
  if (settings['disable-content-log']) return undefined
  const limits = {
    maxFiles: settings['content-log-dir-max-files'],
    maxAgeNs: settings['content-log-dir-max-age'],
    maxTotalMb: settings['content-log-dir-max-total-size-mb'],
  }
  return openFile(path, settings, settings['content-log-file'], 'content-logs', limits)
}

function openFile(
  path: readonly string[],
  settings: GlobalValues,
  own: string | undefined,
  kind: string,
  limits: Limits,
): SegmentedFile | undefined {
  if (settings['disable-file-logging']) return undefined
  const maxBytes = settings['max-log-file-segment-size']
  if (own) return new SegmentedFile(maxBytes, (segment) => join(dirname(own), `${nameWithoutEnd(own)}.${segment}${extname(own)}`))
  const top = settings['log-dir'] ?? logDirectory()
  if (top === '') return undefined
  const folder = resolve(top, kind)
  const words = path.length === 0 ? 'unknown' : path.join('-')
  const stem = `kopia-${fileStamp(new Date(), settings['file-log-local-tz'])}-${process.pid}-${words}`
  return new SegmentedFile(maxBytes, (segment) => join(folder, `${stem}.${segment}.log`), { folder, limits })
}

const nameWithoutEnd = (path: string): string => path.slice(path.lastIndexOf('/') + 1, path.length - extname(path).length)

/** Lines that wait are written together when they are this long, and at the end. */
const gatheredLength = 32 * 1024

const sweepAfterMs = 60
/** A command that runs for longer looks again at its end. */
const sweepAgainMs = 60_000

/** A file that goes on in another when it is full. Created at the first line; lines are gathered, so that many cost little. */
class SegmentedFile implements LineFile {
  #descriptor: number | undefined
  #segment = 0
  #bytes = 0
  #waiting = ''
  #broken = false
  #sweeping: NodeJS.Timeout | undefined
  #sweptAtMs: number | undefined
  readonly #atExit = () => this.flush()

  constructor(
    readonly maxBytes: number,
    readonly pathOf: (segment: number) => string,
    readonly swept?: { readonly folder: string; readonly limits: Limits },
  ) {}

  append(line: string): void {
    if (this.#broken) return
    // Whatever ends the process, what was gathered is written.
    if (this.#waiting === '' && this.#bytes === 0) {
      process.once('exit', this.#atExit)
      this.#sweepSoon()
    }
    if (this.#bytes + this.#waiting.length > 0 && this.#bytes + this.#waiting.length + line.length > this.maxBytes) {
      this.flush()
      this.#next()
    }
    this.#waiting += line
    if (this.#waiting.length >= gatheredLength) this.flush()
  }

  flush(): void {
    if (this.#waiting === '' || this.#broken) return
    const bytes = Buffer.from(this.#waiting)
    this.#waiting = ''
    try {
      this.#descriptor ??= this.#open()
      writeSync(this.#descriptor, bytes)
      this.#bytes += bytes.length
    } catch (error) {
      this.#broken = true
      process.stderr.write(`cannot write the log file ${this.pathOf(this.#segment)}: ${messageOf(error)}\n`)
    }
  }

  #next(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
    this.#segment++
    this.#bytes = 0
  }

  #open(): number {
    const path = this.pathOf(this.#segment)
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const descriptor = openSync(path, 'w', 0o600)
    if (this.swept) {
      tagFolder(this.swept.folder)
      linkLatest(this.swept.folder, path)
    }
    return descriptor
  }

  /** Old files are looked at while the key is derived, when there is nothing else to do. */
  #sweepSoon(): void {
    const { swept } = this
    if (!swept) return
    this.#sweeping = setTimeout(() => {
      try {
        // Room for the file of this command, which comes later.
        sweep(swept.folder, { ...swept.limits, maxFiles: swept.limits.maxFiles - 1 })
        this.#sweptAtMs = performance.now()
      } catch {
        // The look at the end meets the same trouble, and tells of it.
      }
    }, sweepAfterMs)
    this.#sweeping.unref()
  }

  /** Closes the file and deletes old ones beyond the limits. */
  close(): void {
    clearTimeout(this.#sweeping)
    this.flush()
    process.off('exit', this.#atExit)
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
    this.#broken = true
    const isDue = this.#sweptAtMs === undefined || performance.now() - this.#sweptAtMs > sweepAgainMs
    if (this.swept && this.#bytes > 0 && isDue) sweep(this.swept.folder, this.swept.limits)
  }
}

class FileLog implements LogSink {
  readonly #least: number

  constructor(
    readonly settings: GlobalValues,
    readonly file: SegmentedFile,
  ) {
    this.#least = logLevels.indexOf(settings['file-log-level'] as LogLevel)
  }

  get takesDebug(): boolean {
    return this.#least === 0
  }

  write(level: LogLevel, message: string): void {
    if (logLevels.indexOf(level) < this.#least) return
    // What the terminal shows as several lines is several records here.
    for (const text of message.split('\n')) if (text !== '') this.file.append(`${this.#format(level, text)}\n`)
    // Details can wait for company; what a person is told must be there whatever happens next.
    if (level !== 'debug') this.file.flush()
  }

  #format(level: LogLevel, message: string): string {
    const local = this.settings['file-log-local-tz']
    const time = timestamp(new Date(), local)
    if (this.settings['json-log-file']) return JSON.stringify({ l: levelNames[level], t: time, n: 'kopia/cli', m: message })
    return `${time} ${levelNames[level]} kopia/cli ${message}`
  }

  close(): void {
    this.file.close()
  }
}

function tagFolder(folder: string): void {
  try {
    writeFileSync(join(folder, 'CACHEDIR.TAG'), cacheTag, { flag: 'wx' })
  } catch {
    // It is there already, or the folder takes no such file: neither matters.
  }
}

function linkLatest(folder: string, path: string): void {
  const staged = join(folder, `.latest-${process.pid}`)
  try {
    symlinkSync(path.slice(folder.length + 1), staged)
    renameSync(staged, join(folder, 'latest.log'))
  } catch {
    rmSync(staged, { force: true })
  }
}

/** Deletes log files beyond the limits, the oldest first. */
function sweep(folder: string, { maxFiles, maxAgeNs, maxTotalMb }: Limits): void {
  const maxAgeMs = Number(maxAgeNs / 1_000_000n)
  const maxBytes = maxTotalMb * 1e6
  const files = namesIn(folder)
    .filter((name) => name.startsWith('kopia-') && name.endsWith('.log'))
    .flatMap((name) => {
      const found = lstatSync(join(folder, name), { throwIfNoEntry: false })
      return found?.isFile() ? [{ name, size: found.size, at: found.mtimeMs }] : []
    })
    .sort((a, b) => b.at - a.at)
  let total = 0
  files.forEach(({ name, size, at }, i) => {
    total += size
    const isOld = i >= maxFiles || total > maxBytes || Date.now() - at > maxAgeMs
    if (isOld) rmSync(join(folder, name), { force: true })
  })
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
}

const two = (n: number): string => String(n).padStart(2, '0')

/** `YYYYMMDD-HHMMSS`, in UTC or in local time. */
export function fileStamp(at: Date, local: boolean): string {
  const shifted = local ? new Date(at.getTime() - at.getTimezoneOffset() * 60_000) : at
  return shifted.toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-')
}

function timestamp(at: Date, local: boolean): string {
  const offset = local ? -at.getTimezoneOffset() : 0
  const text = new Date(at.getTime() + offset * 60_000).toISOString().slice(0, 23)
  const size = Math.abs(offset)
  const zone = local ? `${offset < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}` : 'Z'
  return `${text}${microDigits()}${zone}`
}

const microDigits = (): string => String(Number(process.hrtime.bigint() / 1000n) % 1000).padStart(3, '0')
