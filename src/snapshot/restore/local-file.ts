import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  type Stats,
  statfsSync,
  write,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { CancelledError, systemCode } from '#base/errors.ts'
import { CorruptObjectError } from '#repo/object/errors.ts'
import type { ObjectId, ObjectReader } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { RestoreConflictError } from './errors.ts'
import type { LocalRestoreOptions } from './options.ts'

const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
const pieceBytes = 1 << 20

/** Where the contents of a file go to and who follows that. */
export interface FileTarget {
  readonly path: string
  readonly options: LocalRestoreOptions
  /** Hears of every piece that was written. */
  readonly onBytes: (bytes: number) => void
  readonly signal?: AbortSignal | undefined
}

/** Writes one file of a snapshot. An existing file is replaced by a new one rather than written into: that works on read-only files,
 *  and leaves other hard links and whatever a symbolic link points at alone. Returns what was replaced. Source: spec 06, 7.4.
 *  Throws RestoreConflictError, CancelledError, system and storage errors; no part of the file is left then. */
export async function restoreFile(repository: Repository, entry: DirectoryEntry, target: FileTarget): Promise<Stats | undefined> {
  if (target.options.writeFilesAtomically) return replaceAtomically(repository, entry, target)
  let replaced: Stats | undefined
  await writeContents(repository, entry, target, () => {
    // Nearly always nothing stands there: only when creating fails is a look at it worth a call.
    try {
      return openSync(target.path, createFlags, 0o600)
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error
    }
    replaced = checkReplaceable(target)
    rmSync(target.path)
    return openSync(target.path, createFlags, 0o600)
  })
  return replaced
}

/** What stands at the path, if it may be replaced. Throws RestoreConflictError. */
function checkReplaceable({ path, options }: FileTarget): Stats | undefined {
  const existing = lstatSync(path, { throwIfNoEntry: false })
  if (existing?.isDirectory()) throw new RestoreConflictError(`${path} is a directory, but a file in the snapshot. Move it away first.`)
  if (existing && !options.overwriteFiles)
    throw new RestoreConflictError(`${path} exists already. Leave out --no-overwrite-files to replace it.`)
  return existing
}

async function replaceAtomically(repository: Repository, entry: DirectoryEntry, target: FileTarget): Promise<Stats | undefined> {
  const existing = checkReplaceable(target)
  const path = draftName(target.path)
  const options = { ...target.options, writeSparseFiles: false, flushFiles: true }
  await writeContents(repository, entry, { ...target, path, options }, () => openSync(path, createFlags, 0o600))
  try {
    if (existing?.isFile()) chmodSync(path, existing.mode & 0o7777)
    renameSync(path, target.path)
  } catch (error) {
    rmSync(path, { force: true })
    throw error
  }
  return existing
}

/** Name for a file until it is whole. */
export const draftName = (path: string): string => `${path}.kura-restore-${randomBytes(6).toString('hex')}`

/** Removes from a directory what a restore that was killed has left there under such names. */
export function removeDrafts(directory: string): void {
  for (const name of readdirSync(directory)) if (/\.kura-restore-[0-9a-f]{12}$/.test(name)) rmSync(join(directory, name), { force: true })
}

/** Fills the file that `create` opens, which is done as late as possible: what is missing or damaged in the repository mostly shows
 *  before anything has been replaced. */
async function writeContents(repository: Repository, entry: DirectoryEntry, target: FileTarget, create: () => number): Promise<void> {
  const id = entry.objectId as ObjectId
  if (entry.sizeBytes <= pieceBytes && !target.options.writeSparseFiles) {
    const data = await repository.objects.readAll(id, pieceBytes)
    await filling(target, create(), async (fd) => {
      for (let at = 0; at < data.length; ) at += writeSync(fd, data, at, data.length - at, at)
      target.onBytes(data.length)
    })
    return
  }
  const reader = await repository.objects.open(id)
  try {
    await copyLarge(id, reader, target, create)
  } finally {
    reader.close()
  }
}

/** A file that could not be filled is not left behind to be taken for a good one. */
async function filling({ path, options }: FileTarget, fd: number, fill: (fd: number) => Promise<void>): Promise<void> {
  try {
    await fill(fd)
    if (options.flushFiles) fsyncSync(fd)
  } catch (error) {
    rmSync(path, { force: true })
    throw error
  } finally {
    closeSync(fd)
  }
}

const writeAt = promisify(write)

/** Two pieces are on their way at any time: one is written while the next is read. */
async function copyLarge(id: ObjectId, reader: ObjectReader, target: FileTarget, create: () => number): Promise<void> {
  const { path, options, onBytes, signal } = target
  const blockBytes = options.writeSparseFiles ? statfsSync(dirname(path)).bsize : 0
  let spare = Buffer.allocUnsafeSlow(pieceBytes)
  let other = Buffer.allocUnsafeSlow(pieceBytes)
  // The first piece comes before the file is made.
  let got = await reader.read(spare, 0)
  await filling(target, create(), async (fd) => {
    ftruncateSync(fd, reader.sizeBytes)
    for (let at = 0; at < reader.sizeBytes; ) {
      if (signal?.aborted) throw new CancelledError('the restore was cancelled in the middle of the file')
      if (got === 0) throw new CorruptObjectError(id, `it ends after ${at} of ${reader.sizeBytes} bytes`)
      const piece = spare.subarray(0, got)
      const next = at + got < reader.sizeBytes ? reader.read(other, at + got) : Promise.resolve(0)
      next.catch(() => undefined)
      for (const [from, to] of blockBytes > 0 ? dataRuns(piece, blockBytes) : [[0, got] as const])
        for (let done = from; done < to; ) done += (await writeAt(fd, piece, done, to - done, at + done)).bytesWritten
      at += got
      onBytes(got)
      got = await next
      const swap = other
      other = spare
      spare = swap
    }
  })
}

/** Runs of blocks that are not all zeros, as [from, to) within the piece. */
export function dataRuns(piece: Buffer, blockBytes: number): (readonly [number, number])[] {
  const zeros = Buffer.alloc(blockBytes)
  const runs: (readonly [number, number])[] = []
  let start = -1
  for (let at = 0; at < piece.length; at += blockBytes) {
    const end = Math.min(at + blockBytes, piece.length)
    const isHole = piece.compare(zeros, 0, end - at, at, end) === 0
    if (!isHole && start < 0) start = at
    if (isHole && start >= 0) {
      runs.push([start, at])
      start = -1
    }
  }
  if (start >= 0) runs.push([start, piece.length])
  return runs
}
