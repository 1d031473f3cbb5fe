import { messageOf } from '#base/errors.ts'
import type { Repository } from '#repo/repository/repository.ts'
import { isDirect } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import type { UploadObserver } from '#snapshot/upload/request.ts'
import type { CommandContext } from '../context.ts'
import { goDuration } from './duration.ts'
import { ProgressLine, remainingTime } from './progress.ts'
import { oneDecimal } from './sizes.ts'
import type { UploadLog } from './upload-log.ts'

const spinner = '|/-\\'

/** Progress line and error lines of "snapshot create" (spec 06, 5.6). */
export class UploadProgress implements UploadObserver {
  #hashing = 0
  #hashed = 0
  #hashedBytes = 0
  #cached = 0
  #cachedBytes = 0
  #failed = 0
  #ignored = 0
  #turn = 0
  #estimatedBytes = 0
  readonly #startMs: number
  readonly #uploadedBefore: number
  readonly #line: ProgressLine
  readonly #stopEstimate = new AbortController()

  constructor(
    readonly c: CommandContext,
    readonly repository: Repository,
    readonly details: UploadLog,
  ) {
    this.#startMs = repository.clock.nowMs()
    this.#uploadedBefore = this.#written()
    this.#line = new ProgressLine(c.io, Number(c.globals['progress-update-interval'] / 1_000_000n), () => repository.clock.nowMs())
  }

  #written(): number {
    return isDirect(this.repository) ? this.repository.contents.counters.writtenBytes : 0
  }

  /** Counts the source beside the upload, for the share that is done. An estimate that fails is no failure of the snapshot. */
  estimate(localPath: string, source: SourceInfo): void {
    void (async () => {
      const [{ estimate }, { policyTreeFor }] = await Promise.all([import('#snapshot/estimate.ts'), import('#snapshot/policy/store.ts')])
      const policies = await policyTreeFor(this.repository, source)
      const found = await estimate(localPath, policies, { maxExamples: 0, signal: this.#stopEstimate.signal })
      this.#estimatedBytes = found.includedBytes
    })().catch((error: unknown) => this.c.log.debug(`no estimate: ${messageOf(error)}`))
  }

  hashing(path: string): void {
    this.#hashing++
    this.details.cacheMiss(path)
    this.#draw()
  }
  hashed(path: string, sizeBytes: number): void {
    this.details.entry(path, sizeBytes)
    this.#hashing = Math.max(0, this.#hashing - 1)
    this.#hashed++
    this.#draw()
  }
  hashedBytes(bytes: number): void {
    this.#hashedBytes += bytes
    this.#draw()
  }
  get takesCachedPaths(): boolean {
    return this.details.levels.cacheHits > 0
  }
  cached(path: string, sizeBytes: number): void {
    this.details.cacheHit(path, sizeBytes)
    this.#cached++
    this.#cachedBytes += sizeBytes
    this.#draw()
  }
  excluded(path: string, isDirectory: boolean, sizeBytes: number): void {
    this.details.ignored(path, isDirectory, sizeBytes)
  }
  directoryDone(path: string, entry: DirectoryEntry, durationMs: number): void {
    this.details.folder(path, entry, durationMs)
  }
  failed(path: string, error: unknown, ignored: boolean): void {
    if (ignored) this.#ignored++
    else this.#failed++
    const text = ignored
      ? this.c.paint.warning(`Ignored error when processing "${path}": ${messageOf(error)}`)
      : this.c.paint.error(`Error when processing "${path}": ${messageOf(error)}`)
    this.c.io.err(`${this.c.showsProgress ? '\n ! ' : ''}${text}\n`)
  }
  note(message: string): void {
    this.c.log.warning(message)
  }

  end(): void {
    this.#stopEstimate.abort()
    if (!this.c.showsProgress) return
    this.#line.draw(() => this.#text(true), true)
    this.#line.end()
  }

  #draw(): void {
    if (this.c.showsProgress) this.#line.draw(() => this.#text(false))
  }

  #text(isDone: boolean): string {
    const { sizes } = this.c
    const sign = isDone ? '*' : (spinner[this.#turn++ % spinner.length] as string)
    const hashed = `${this.#hashed} hashed (${sizes.bytes(this.#hashedBytes)})`
    const cached = `${this.#cached} cached (${sizes.bytes(this.#cachedBytes)})`
    const uploaded = `uploaded ${sizes.bytes(this.#written() - this.#uploadedBefore)}`
    const failed = this.#failed > 0 ? ` (${this.#failed} fatal errors)` : ''
    const ignored = this.#ignored > 0 ? ` (${this.#ignored} errors ignored)` : ''
    const hashing = `${isDone ? 0 : this.#hashing} hashing`
    return ` ${sign} ${hashing}, ${hashed}, ${cached}, ${uploaded}${failed}${ignored}${this.#estimateText(isDone)}`
  }

  #estimateText(isDone: boolean): string {
    if (isDone) return ''
    if (this.#estimatedBytes === 0) return ', estimating...'
    const elapsedMs = this.repository.clock.nowMs() - this.#startMs
    const found = remainingTime(this.#hashedBytes + this.#cachedBytes, this.#estimatedBytes, elapsedMs)
    if (!found) return ', estimating...'
    const total = this.c.sizes.bytes(this.#estimatedBytes)
    return `, estimated ${total} (${oneDecimal(found.percent)}%) ${goDuration(found.remainingNs)} left`
  }
}
