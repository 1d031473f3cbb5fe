import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  type Stats,
  statfsSync,
  writeSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCode } from '#base/errors.ts'
import type { ObjectId, ObjectReader } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { RestoreConflictError } from './errors.ts'
import type { LocalRestoreOptions } from './options.ts'

const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
const pieceBytes = 1 << 20

/** Writes one file of a snapshot; `onBytes` hears of progress. An existing file is replaced by a new one rather than written
 *  into: that works on read-only files, and leaves other hard links and whatever a symbolic link points at alone.
 *  Source: spec 06, 7.4. Throws RestoreConflictError, system and storage errors. */
export async function restoreFile(
  repository: Repository,
  entry: DirectoryEntry,
  path: string,
  options: LocalRestoreOptions,
  onBytes: (bytes: number) => void,
): Promise<void> {
  if (options.writeFilesAtomically) return replaceAtomically(repository, entry, path, options, onBytes)
  // Nearly always nothing stands there: only when creating fails is a look at it worth a call.
  try {
    return await writeContents(repository, entry, path, options, onBytes, undefined)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  }
  checkReplaceable(path, options)
  rmSync(path)
  await writeContents(repository, entry, path, options, onBytes, undefined)
}

/** What stands at the path, if it may be replaced. Throws RestoreConflictError. */
function checkReplaceable(path: string, options: LocalRestoreOptions): Stats | undefined {
  const existing = lstatSync(path, { throwIfNoEntry: false })
  if (existing?.isDirectory()) throw new RestoreConflictError(`${path} is a directory, but a file in the snapshot. Move it away first.`)
  if (existing && !options.overwriteFiles)
    throw new RestoreConflictError(`${path} exists already. Leave out --no-overwrite-files to replace it.`)
  return existing
}

async function replaceAtomically(
  repository: Repository,
  entry: DirectoryEntry,
  path: string,
  options: LocalRestoreOptions,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const existing = checkReplaceable(path, options)
  const temporary = `${path}.kura-restore-${randomBytes(6).toString('hex')}`
  await writeContents(repository, entry, temporary, { ...options, writeSparseFiles: false, flushFiles: true }, onBytes, existing?.mode)
  try {
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

/** Creates the file and fills it. A file that could not be read in full is not left behind to be taken for a good one. */
async function writeContents(
  repository: Repository,
  entry: DirectoryEntry,
  path: string,
  options: LocalRestoreOptions,
  onBytes: (bytes: number) => void,
  mode: number | undefined,
): Promise<void> {
  const id = entry.objectId as ObjectId
  if (entry.sizeBytes <= pieceBytes && !options.writeSparseFiles) {
    const data = await repository.objects.readAll(id, Math.max(entry.sizeBytes, pieceBytes))
    const fd = openSync(path, createFlags, 0o600)
    try {
      writeFully(fd, data)
      if (mode !== undefined) fchmodSync(fd, mode & 0o7777)
      if (options.flushFiles) fsyncSync(fd)
    } catch (error) {
      rmSync(path, { force: true })
      throw error
    } finally {
      closeSync(fd)
    }
    onBytes(data.length)
    return
  }
  const reader = await repository.objects.open(id)
  try {
    await copyLarge(reader, path, options, onBytes, mode)
  } finally {
    reader.close()
  }
}

function writeFully(fd: number, data: Uint8Array): void {
  for (let at = 0; at < data.length; ) at += writeSync(fd, data, at, data.length - at, at)
}

/** Two pieces are on their way at any time: one is written while the next is read. */
async function copyLarge(
  reader: ObjectReader,
  path: string,
  options: LocalRestoreOptions,
  onBytes: (bytes: number) => void,
  mode: number | undefined,
): Promise<void> {
  const blockBytes = options.writeSparseFiles ? statfsSync(dirname(path)).bsize : 0
  const handle = await open(path, createFlags, 0o600)
  try {
    ftruncateSync(handle.fd, reader.sizeBytes)
    let spare = Buffer.allocUnsafeSlow(pieceBytes)
    let other = Buffer.allocUnsafeSlow(pieceBytes)
    let next = reader.read(spare, 0)
    for (let at = 0; at < reader.sizeBytes; ) {
      const got = await next
      if (got === 0) throw new RestoreConflictError(`the object of ${path} ends after ${at} of ${reader.sizeBytes} bytes`)
      const piece = spare.subarray(0, got)
      next = at + got < reader.sizeBytes ? reader.read(other, at + got) : Promise.resolve(0)
      next.catch(() => undefined)
      const swap = other
      other = spare
      spare = swap
      for (const [from, to] of blockBytes > 0 ? dataRuns(piece, blockBytes) : [[0, got] as const])
        for (let done = from; done < to; ) done += (await handle.write(piece, done, to - done, at + done)).bytesWritten
      at += got
      onBytes(got)
    }
    if (mode !== undefined) fchmodSync(handle.fd, mode & 0o7777)
    if (options.flushFiles) await handle.sync()
  } catch (error) {
    rmSync(path, { force: true })
    throw error
  } finally {
    await handle.close()
  }
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
