import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { LoggingPolicy } from '#snapshot/policy/policy.ts'
import type { CommandContext } from '../context.ts'

/** How much is logged, 0 (nothing) to 10, by kind (spec 07, 7.1.16). */
export interface LogLevels {
  readonly folders: number
  readonly ignoredFolders: number
  readonly entries: number
  readonly ignoredEntries: number
  readonly cacheHits: number
  readonly cacheMisses: number
}

const durationFrom = 1
const sizeFrom = 3
const countsFrom = 5
const timeFrom = 6
const objectFrom = 7
const cacheMissesFrom = 5

/** Levels of a policy; a flag replaces all of its kind. */
export function logLevelsOf({ directories: d, entries: e }: LoggingPolicy, folderFlag?: number, entryFlag?: number): LogLevels {
  return {
    folders: folderFlag ?? d.snapshotted ?? 0,
    ignoredFolders: folderFlag ?? d.ignored ?? 0,
    entries: entryFlag ?? e.snapshotted ?? 0,
    ignoredEntries: entryFlag ?? e.ignored ?? 0,
    cacheHits: entryFlag ?? e.cacheHit ?? 0,
    cacheMisses: entryFlag ?? e.cacheMiss ?? 0,
  }
}

/** Lines in the debug log about what a snapshot takes and leaves. */
export class UploadLog {
  constructor(
    readonly c: CommandContext,
    readonly levels: LogLevels,
  ) {}

  folder(path: string, entry: DirectoryEntry, durationMs: number): void {
    const level = this.levels.folders
    if (level <= 0) return
    let line = `snapshotted directory ${JSON.stringify(path === '' ? '.' : path)}`
    if (level >= durationFrom) line += ` dur:${Math.round(durationMs)}ms`
    if (level >= sizeFrom) line += ` size:${entry.summary?.totalBytes ?? 0}`
    const { summary } = entry
    if (level >= countsFrom && summary)
      line += ` files:${summary.fileCount} dirs:${summary.directoryCount} errors:${summary.fatalErrorCount + summary.ignoredErrorCount}`
    if (level >= timeFrom) line += ` mtime:${this.c.times.milliseconds(entry.modifiedNs)}`
    if (level >= objectFrom) line += ` oid:${entry.objectId}`
    this.c.log.debug(line)
  }

  entry(path: string, sizeBytes: number): void {
    this.#line(this.levels.entries, 'snapshotted', path, sizeBytes)
  }

  cacheHit(path: string, sizeBytes: number): void {
    this.#line(this.levels.cacheHits, 'cached', path, sizeBytes)
  }

  cacheMiss(path: string): void {
    if (this.levels.cacheMisses >= cacheMissesFrom) this.c.log.debug(`cache miss ${JSON.stringify(path)}`)
  }

  ignored(path: string, isDirectory: boolean, sizeBytes: number): void {
    if (isDirectory) this.#line(this.levels.ignoredFolders, 'ignored directory', path, undefined)
    else this.#line(this.levels.ignoredEntries, 'ignored', path, sizeBytes)
  }

  #line(level: number, what: string, path: string, sizeBytes: number | undefined): void {
    if (level <= 0) return
    const size = level >= sizeFrom && sizeBytes !== undefined ? ` size:${sizeBytes}` : ''
    this.c.log.debug(`${what} ${JSON.stringify(path)}${size}`)
  }
}
