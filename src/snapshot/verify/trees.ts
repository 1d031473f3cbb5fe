import { messageOf } from '#base/errors.ts'
import { Limiter } from '#base/limit.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { readStoredDirectory } from '#snapshot/tree/repository-tree.ts'
import { type ObjectChecker, ObjectFaultError } from './object-checker.ts'

/** Counters of a verification, as the command prints them (spec 06, section 15). */
export interface VerifyStats {
  processedObjectCount: number
  processedBytes: number
  readFileCount: number
  readBytes: number
  expectedTotalObjectCount: number
  expectedTotalFileCount: number
  expectedTotalBytes: number
}

export interface VerifyTreesOptions {
  /** Share of files that are read in full, 0 to 100. */
  readonly readPercent: number
  /** Files checked at once. */
  readonly fileParallelism: number
  /** Files that may wait. */
  readonly queueLength: number
  /** Stop after so many errors; 0 means 1, negative no limit. */
  readonly maxErrors: number
  readonly signal?: AbortSignal
  /** Uniform numbers from 0 up to 1. */
  readonly random?: () => number
  readonly onError?: (path: string, error: unknown) => void
  readonly onProgress?: (stats: VerifyStats) => void
}

export interface VerifyRoot {
  /** How errors name the root. */
  readonly path: string
  readonly entry: DirectoryEntry
}

export interface VerifyTreesResult {
  readonly stats: VerifyStats
  readonly errors: readonly unknown[]
  /** May be more than `errors` holds. */
  readonly errorCount: number
}

const directoriesAtOnce = 8
const maxErrorsHeld = 1000

/** Walks trees and checks every object once. Problems are counted and told to `onError`, not thrown. Source: spec 07, 7.5. */
export async function verifyTrees(
  repository: Repository,
  checker: ObjectChecker,
  roots: readonly VerifyRoot[],
  options: VerifyTreesOptions,
): Promise<VerifyTreesResult> {
  const run = new TreeVerification(repository, checker, options)
  for (const { entry } of roots) run.expect(entry)
  for (const root of roots) await run.walk(root)
  await run.finish()
  return { stats: run.stats, errors: run.errors, errorCount: run.errorCount }
}

class TreeVerification {
  readonly stats: VerifyStats = {
    processedObjectCount: 0,
    processedBytes: 0,
    readFileCount: 0,
    readBytes: 0,
    expectedTotalObjectCount: 0,
    expectedTotalFileCount: 0,
    expectedTotalBytes: 0,
  }
  readonly errors: unknown[] = []
  errorCount = 0
  readonly #seen = new Set<string>()
  readonly #limiter: Limiter
  readonly #pending = new Set<Promise<void>>()
  readonly #maxErrors: number

  constructor(
    readonly repository: Repository,
    readonly checker: ObjectChecker,
    readonly options: VerifyTreesOptions,
  ) {
    this.#limiter = new Limiter(Math.max(1, options.fileParallelism))
    this.#maxErrors = options.maxErrors === 0 ? 1 : options.maxErrors
  }

  get #isOver(): boolean {
    return (this.#maxErrors > 0 && this.errorCount >= this.#maxErrors) || this.options.signal?.aborted === true
  }

  expect({ summary, type, sizeBytes }: DirectoryEntry): void {
    const directories = summary?.directoryCount ?? 0
    const files = summary?.fileCount ?? (type === 'f' ? 1 : 0)
    this.stats.expectedTotalObjectCount += files + directories + (summary?.symlinkCount ?? 0)
    this.stats.expectedTotalFileCount += files
    this.stats.expectedTotalBytes += summary?.totalBytes ?? sizeBytes
  }

  /** Depth first, several directories at once. */
  async walk(root: VerifyRoot): Promise<void> {
    const stack: VerifyRoot[] = []
    this.#visit(root, stack)
    const reading = new Set<Promise<void>>()
    while (!this.#isOver && (stack.length > 0 || reading.size > 0)) {
      const next = reading.size < directoriesAtOnce ? stack.pop() : undefined
      if (!next) {
        await Promise.race(reading)
        continue
      }
      const job = this.#readDirectory(next, stack).finally(() => reading.delete(job))
      reading.add(job)
      while (this.#pending.size >= Math.max(1, this.options.queueLength)) await Promise.race(this.#pending)
    }
    await Promise.all(reading)
  }

  async finish(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending)
  }

  async #readDirectory({ path, entry }: VerifyRoot, stack: VerifyRoot[]): Promise<void> {
    try {
      const { entries } = await readStoredDirectory(this.repository, entry.objectId as ObjectId)
      for (const child of entries) this.#visit({ path: `${path}/${child.name}`, entry: child }, stack)
    } catch (error) {
      const text = `error reading directory: unable to open object: ${entry.objectId}: ${messageOf(error)}`
      this.#fail(path, new ObjectFaultError(text, { cause: error }))
    }
    this.#count(0)
  }

  #visit(item: VerifyRoot, stack: VerifyRoot[]): void {
    const { entry, path } = item
    if (this.#isOver || this.#seen.has(entry.objectId)) return
    this.#seen.add(entry.objectId)
    if (entry.objectId === '') this.#fail(path, new ObjectFaultError(`"${entry.name}" has no object`))
    else if (entry.type === 'd') stack.push(item)
    else this.#queue(path, entry, entry.objectId)
  }

  #queue(path: string, entry: DirectoryEntry, id: ObjectId): void {
    const { readPercent, random = Math.random } = this.options
    const isRead = readPercent > 0 && random() * 100 < readPercent
    let checking: Promise<void> | undefined
    try {
      checking = this.checker.check(id)
    } catch (error) {
      this.#fail(path, error)
      this.#count(entry.sizeBytes)
      return
    }
    if (!checking && !isRead) {
      this.#count(entry.sizeBytes)
      return
    }
    checking?.catch(() => undefined)
    const job = this.#limiter
      .run(async () => {
        if (this.#isOver) return
        await checking
        if (isRead) {
          // Not `+= await`: others add meanwhile.
          const bytes = await this.checker.readAll(id)
          this.stats.readBytes += bytes
          this.stats.readFileCount++
        }
      })
      .catch((error: unknown) => this.#fail(path, error))
      .finally(() => {
        this.#count(entry.sizeBytes)
        this.#pending.delete(job)
      })
    this.#pending.add(job)
  }

  #count(bytes: number): void {
    this.options.onProgress?.(this.stats)
    this.stats.processedObjectCount++
    this.stats.processedBytes += bytes
  }

  #fail(path: string, error: unknown): void {
    if (this.#isOver) return
    this.errorCount++
    if (this.errors.length < maxErrorsHeld) this.errors.push(error)
    this.options.onError?.(path, error)
  }
}
