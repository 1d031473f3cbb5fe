import { chmodSync, lstatSync, mkdirSync, readlinkSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { CancelledError, systemCode } from '#base/errors.ts'
import { Limiter } from '#base/limit.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { readDirectory, readStoredDirectory } from '#snapshot/tree/repository-tree.ts'
import { setAttributes, setNewFileAttributes } from './attributes.ts'
import { batchesOf, restoreTogether } from './batch.ts'
import { deleteExtra } from './delete-extra.ts'
import { checkName, HostileEntryError, isFileName, RestoreConflictError } from './errors.ts'
import { enterDirectory } from './local-directory.ts'
import { removeDrafts, restoreFile } from './local-file.ts'
import {
  type LocalRestoreOptions,
  newRestoreCounters,
  type RestoreCounters,
  type RestoreFailure,
  type RestoreObserver,
  type RestoreResult,
} from './options.ts'
import { hasRoomForPlaceholder, placeholdersIn, removePlaceholder, writePlaceholder } from './placeholder.ts'
import { exactToleranceNs, hasContents, hasSizeAndTime } from './same-file.ts'

export interface RestoreRequest {
  readonly repository: Repository
  readonly root: DirectoryEntry
  /** Absolute path that becomes the root. */
  readonly target: string
  readonly options: LocalRestoreOptions
  readonly observer?: RestoreObserver
  readonly signal?: AbortSignal
}

/** Directories being filled at once beside the one in hand; deeper ones are done in place, so that nothing waits for a free seat. */
const directoriesAtOnce = 32
const maxDepth = 4096
const maxLinkBytes = 1 << 16

interface Run extends RestoreRequest {
  readonly counters: RestoreCounters
  readonly failures: RestoreFailure[]
  readonly files: Limiter
  openDirectories: number
  /** Where in a directory that stood there before placeholders are, by its path. */
  readonly placeholders: Map<string, ReadonlySet<string>>
}

/** Restores a tree to a local folder. An entry that fails does not stop the others: all failures are returned. Throws only when
 *  the target itself cannot be used, or CancelledError. Source: spec 07, 7.4.1–7.4.3. */
export async function restoreTree(request: RestoreRequest): Promise<RestoreResult> {
  const parallel = Math.max(1, request.options.parallel)
  const target = resolveTarget(request.target)
  const run: Run = {
    ...request,
    target,
    counters: newRestoreCounters(),
    failures: [],
    files: new Limiter(parallel),
    openDirectories: 0,
    placeholders: new Map([[dirname(target), new Set([basename(target)])]]),
  }
  if (request.root.type === 'd') {
    const isThere = lstatSync(target, { throwIfNoEntry: false }) !== undefined
    const earlierMode = enterDirectory(target, request.options, true)
    if (isThere) lookInto(run, target)
    await restoreDirectory(run, request.root, target, '', [], earlierMode)
  } else await restoreEntry(run, request.root, target, '.', [])
  if (request.signal?.aborted) throw new CancelledError('the restore was cancelled; what has been restored so far stays')
  return { counters: run.counters, failures: run.failures }
}

/** The person named the target: a link at its end is theirs to follow, everything below is not. */
function resolveTarget(target: string): string {
  try {
    return realpathSync(target)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
    mkdirSync(dirname(target), { recursive: true })
    return join(realpathSync(dirname(target)), basename(target))
  }
}

function fail(run: Run, path: string, error: unknown): void {
  const failure = { path: path === '' ? '.' : path, error }
  run.failures.push(failure)
  run.observer?.failed?.(failure)
}

/** Fills a directory that stands already; its own attributes are set last, after all children. `earlierMode`: the mode that it had, if
 *  that was changed to write into it. */
async function restoreDirectory(
  run: Run,
  entry: DirectoryEntry,
  path: string,
  relative: string,
  ancestors: readonly string[],
  earlierMode: number | undefined,
): Promise<void> {
  try {
    if (ancestors.includes(entry.objectId)) throw new HostileEntryError('the directory contains itself; it is not restored')
    if (ancestors.length > maxDepth)
      throw new HostileEntryError(`the tree is deeper than ${maxDepth} directories; the rest is not restored`)
    const read = run.options.ownFolderTimes ? readStoredDirectory : readDirectory
    const { entries } = await read(run.repository, entry.objectId as ObjectId)
    if (run.options.deleteExtra)
      deleteExtra(path, entries, run.counters, (name, error) => fail(run, relative === '' ? name : `${relative}/${name}`, error))
    await restoreChildren(run, entries, path, relative, [...ancestors, entry.objectId])
  } catch (error) {
    fail(run, relative, error)
  }
  try {
    if (run.options.skipPermissions && earlierMode !== undefined) chmodSync(path, earlierMode)
    setAttributes(path, entry, run.options)
    run.counters.directories++
    clearPlaceholder(run, path)
  } catch (error) {
    fail(run, relative, error)
  }
  run.placeholders.delete(path)
}

/** What earlier restores have left in a directory that stood there before. */
function lookInto(run: Run, path: string): void {
  if (run.options.resume !== 'no') removeDrafts(path)
  run.placeholders.set(path, placeholdersIn(path))
}

/** Takes away the placeholder of what is there now. */
function clearPlaceholder(run: Run, path: string): void {
  if (run.placeholders.get(dirname(path))?.has(basename(path))) removePlaceholder(path)
}

async function restoreChildren(run: Run, entries: readonly DirectoryEntry[], path: string, relative: string, ancestors: readonly string[]) {
  const pending = new Set<Promise<void>>()
  for (const child of entries) count(run.counters, child)
  const { batches, others } = batchesOf(entries, (child) => goesInBatch(run, child, ancestors.length))
  for (const batch of batches) {
    const work = restoreBatch(run, batch, path, relative, ancestors).finally(() => pending.delete(work))
    pending.add(work)
  }
  for (const child of others) {
    if (run.signal?.aborted) break
    const childRelative = relative === '' ? child.name : `${relative}/${child.name}`
    let childPath: string
    try {
      childPath = join(path, checkName(child.name))
    } catch (error) {
      fail(run, childRelative, error)
      continue
    }
    if (child.type === 'd' && run.openDirectories >= directoriesAtOnce) {
      await restoreEntry(run, child, childPath, childRelative, ancestors)
      continue
    }
    const isDirectory = child.type === 'd'
    if (isDirectory) run.openDirectories++
    const work = restoreEntry(run, child, childPath, childRelative, ancestors).finally(() => {
      if (isDirectory) run.openDirectories--
      pending.delete(work)
    })
    pending.add(work)
    // Bounds what waits in this directory: the limiter bounds only what runs.
    if (pending.size >= 4 * run.files.limit) await Promise.race(pending)
  }
  await Promise.all(pending)
}

/** Whether a file is made together with others: it is short, and nothing has to be known of what may stand there. */
function goesInBatch(run: Run, entry: DirectoryEntry, depth: number): boolean {
  const { options } = run
  if (options.skipExisting || options.resume !== 'no' || options.writeFilesAtomically || options.writeSparseFiles || options.flushFiles)
    return false
  return entry.type === 'f' && isFileName(entry.name) && !isShallow(run, entry, depth)
}

/** Makes the files of a batch; never rejects. What stands in the way of one, or is wrong with it, is found out by restoring it by itself. */
async function restoreBatch(
  run: Run,
  batch: readonly DirectoryEntry[],
  path: string,
  relative: string,
  ancestors: readonly string[],
): Promise<void> {
  const left = await run.files.run(async () => {
    if (run.signal?.aborted) return []
    const { counters, repository, options } = run
    const done = await restoreTogether(repository, batch, path, options).catch(() => new Set<DirectoryEntry>())
    for (const entry of done) {
      counters.files++
      counters.bytes += entry.sizeBytes
      const clearing = run.placeholders.has(path) ? () => clearPlaceholder(run, join(path, entry.name)) : undefined
      try {
        clearing?.()
      } catch (error) {
        fail(run, relative === '' ? entry.name : `${relative}/${entry.name}`, error)
      }
    }
    if (done.size > 0) run.observer?.progress?.(counters)
    return batch.filter((entry) => !done.has(entry))
  })
  await Promise.all(
    left.map((entry) =>
      restoreEntry(run, entry, join(path, entry.name), relative === '' ? entry.name : `${relative}/${entry.name}`, ancestors),
    ),
  )
}

function count(counters: RestoreCounters, entry: DirectoryEntry): void {
  if (entry.type === 'd') counters.enqueuedDirectories++
  else if (entry.type === 's') counters.enqueuedSymlinks++
  else {
    counters.enqueuedFiles++
    counters.enqueuedBytes += entry.sizeBytes
  }
}

/** Never rejects: what goes wrong is recorded. */
async function restoreEntry(run: Run, entry: DirectoryEntry, path: string, relative: string, ancestors: readonly string[]): Promise<void> {
  try {
    if (isShallow(run, entry, ancestors.length)) {
      await run.files.run(async () => writePlaceholder(path, entry, run.options))
      if (entry.type === 'd') run.counters.directories++
      else {
        run.counters.files++
        run.counters.bytes += entry.sizeBytes
      }
    } else if (entry.type === 'd') {
      const isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined
      const earlierMode = enterDirectory(path, run.options, false)
      if (isThere) lookInto(run, path)
      await restoreDirectory(run, entry, path, relative, ancestors, earlierMode)
    } else if (entry.type === 's') await run.files.run(() => restoreSymlink(run, entry, path))
    else if (entry.type === 'f') await run.files.run(() => restoreOneFile(run, entry, path))
    else throw new HostileEntryError(`entries of type "${entry.type}" are not known to this version`)
  } catch (error) {
    fail(run, relative, error)
  }
  run.observer?.progress?.(run.counters)
}

/** Links never become placeholders, nor do directories whose name is too long for it (spec 07, 7.4.2). */
function isShallow({ options }: Run, entry: DirectoryEntry, depth: number): boolean {
  if (depth <= options.shallowDepth) return false
  if (entry.type === 'd') return hasRoomForPlaceholder(entry.name)
  return entry.type === 'f' && entry.sizeBytes >= options.shallowMinBytes
}

async function restoreOneFile(run: Run, entry: DirectoryEntry, path: string): Promise<void> {
  if (run.signal?.aborted) return
  const { counters, options } = run
  if (await isDoneAlready(run, entry, path)) {
    counters.skipped++
    counters.skippedBytes += entry.sizeBytes
    clearPlaceholder(run, path)
    return
  }
  let bytes = 0
  const onBytes = (n: number) => {
    bytes += n
    counters.bytes += n
    run.observer?.progress?.(counters)
  }
  const replaced = await restoreFile(run.repository, entry, { path, options, onBytes, signal: run.signal })
  counters.bytes += entry.sizeBytes - bytes
  setNewFileAttributes(path, entry, options, replaced)
  counters.files++
  clearPlaceholder(run, path)
}

const skipToleranceNs = 2_000_000_000n

/** `--skip-existing` takes what looks the same as it is (spec 07, 7.4.2); a resumed restore also sets the attributes that an interrupted one
 *  may not have come to. */
async function isDoneAlready({ options, repository }: Run, entry: DirectoryEntry, path: string): Promise<boolean> {
  if (options.skipExisting && hasSizeAndTime(path, entry, skipToleranceNs)) return true
  if (options.resume === 'no') return false
  const isRight = options.resume === 'time' ? hasSizeAndTime(path, entry, exactToleranceNs()) : await hasContents(repository, path, entry)
  if (isRight) setAttributes(path, entry, options)
  return isRight
}

async function restoreSymlink(run: Run, entry: DirectoryEntry, path: string): Promise<void> {
  if (run.signal?.aborted) return
  const { counters, options } = run
  const existing = lstatSync(path, { throwIfNoEntry: false })
  if (existing) {
    if (!existing.isSymbolicLink())
      throw new RestoreConflictError(`${path} is not a symbolic link, but one in the snapshot. Move it away first.`)
    if (options.skipExisting) {
      counters.skipped++
      counters.skippedBytes += entry.sizeBytes
      return
    }
    if (!options.overwriteSymlinks && options.resume === 'no')
      throw new RestoreConflictError(`the symbolic link ${path} exists already. Leave out --no-overwrite-symlinks to replace it.`)
  }
  const target = await run.repository.objects.readAll(entry.objectId as ObjectId, maxLinkBytes)
  if (existing && options.resume !== 'no' && readlinkSync(path, { encoding: 'buffer' }).equals(target)) {
    setAttributes(path, entry, options)
    counters.skipped++
    counters.skippedBytes += entry.sizeBytes
    return
  }
  if (target.length === 0 || target.includes(0))
    throw new HostileEntryError('the target of the symbolic link is empty or has a zero byte in it')
  // Only now: a link whose target cannot be read is better than none.
  if (existing) rmSync(path)
  symlinkSync(target, path)
  setAttributes(path, entry, options)
  counters.symlinks++
}
