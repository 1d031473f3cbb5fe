import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, extname, join, resolve } from 'node:path'
import { messageOf } from '#base/errors.ts'
import { logDirectory } from '#base/paths.ts'
import type { GlobalValues } from './context.ts'
import { type LogLevel, type LogSink, logLevels } from './log.ts'

const levelNames: Readonly<Record<LogLevel, string>> = { debug: 'DEBUG', info: 'INFO', warning: 'WARN', error: 'ERROR' }
const cacheTag = 'Signature: 8a477f597d28d172789f06886806bc55\n# This file is a cache directory tag.\n'

export interface LogFile extends LogSink {
  /** Closes the file and deletes old ones beyond the limits. */
  close(): void
}

/** The log file of this command; created at its first record. Undefined when file logging is off. Source: spec 06, 5.3. */
export function openLogFile(path: readonly string[], values: Readonly<Record<string, unknown>>): LogFile | undefined {
  const settings = values as unknown as GlobalValues
  if (settings['disable-file-logging']) return undefined
  const own = settings['log-file']
  if (own) return new SegmentedLog(settings, (segment) => join(dirname(own), `${nameWithoutEnd(own)}.${segment}${extname(own)}`), undefined)
  const top = settings['log-dir'] ?? logDirectory()
  if (top === '') return undefined
  const folder = resolve(top, 'cli-logs')
  const words = path.length === 0 ? 'unknown' : path.join('-')
  const stem = `kopia-${fileStamp(new Date(), settings['file-log-local-tz'])}-${process.pid}-${words}`
  return new SegmentedLog(settings, (segment) => join(folder, `${stem}.${segment}.log`), folder)
}

const nameWithoutEnd = (path: string): string => path.slice(path.lastIndexOf('/') + 1, path.length - extname(path).length)

class SegmentedLog implements LogFile {
  readonly #least: number
  #descriptor: number | undefined
  #segment = 0
  #bytes = 0
  #broken = false

  constructor(
    readonly settings: GlobalValues,
    readonly pathOf: (segment: number) => string,
    readonly folder: string | undefined,
  ) {
    this.#least = logLevels.indexOf(settings['file-log-level'] as LogLevel)
  }

  write(level: LogLevel, message: string): void {
    if (this.#broken || logLevels.indexOf(level) < this.#least) return
    // What the terminal shows as several lines is several records here.
    const texts = message.split('\n').filter((text) => text !== '')
    const line = Buffer.from(texts.map((text) => `${this.#format(level, text)}\n`).join(''))
    try {
      if (this.#bytes > 0 && this.#bytes + line.length > this.settings['max-log-file-segment-size']) this.#next()
      this.#descriptor ??= this.#open()
      writeSync(this.#descriptor, line)
      this.#bytes += line.length
    } catch (error) {
      this.#broken = true
      process.stderr.write(`cannot write the log file ${this.pathOf(this.#segment)}: ${messageOf(error)}\n`)
    }
  }

  #format(level: LogLevel, message: string): string {
    const local = this.settings['file-log-local-tz']
    const time = timestamp(new Date(), local)
    if (this.settings['json-log-file']) return JSON.stringify({ l: levelNames[level], t: time, n: 'kopia/cli', m: message })
    return `${time} ${levelNames[level]} kopia/cli ${message}`
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
    if (this.folder !== undefined) {
      tagFolder(this.folder)
      linkLatest(this.folder, path)
    }
    return descriptor
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
    this.#broken = true
    if (this.folder !== undefined && this.#bytes > 0) sweep(this.folder, this.settings)
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
function sweep(folder: string, settings: GlobalValues): void {
  const maxAgeMs = Number(settings['log-dir-max-age'] / 1_000_000n)
  const maxBytes = settings['log-dir-max-total-size-mb'] * 1e6
  const files = readdirSync(folder)
    .filter((name) => name.startsWith('kopia-') && name.endsWith('.log'))
    .flatMap((name) => {
      const found = statSync(join(folder, name), { throwIfNoEntry: false })
      return found && lstatSync(join(folder, name)).isFile() ? [{ name, size: found.size, at: found.mtimeMs }] : []
    })
    .sort((a, b) => b.at - a.at)
  let total = 0
  files.forEach(({ name, size, at }, i) => {
    total += size
    const isOld = i >= settings['log-dir-max-files'] || total > maxBytes || Date.now() - at > maxAgeMs
    if (isOld) rmSync(join(folder, name), { force: true })
  })
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
