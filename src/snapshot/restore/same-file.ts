import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs'
import { nativeAddon } from '#base/native.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'

const pieceBytes = 1 << 20

/** Whether a regular file of the entry's size stands at the path, its time less than `toleranceNs` off. */
export function hasSizeAndTime(path: string, entry: DirectoryEntry, toleranceNs: bigint): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false, bigint: true })
  if (!stats?.isFile() || Number(stats.size) !== entry.sizeBytes) return false
  const difference = stats.mtimeNs - entry.modifiedNs
  return difference < toleranceNs && difference > -toleranceNs
}

/** Times are set to the microsecond where there is no addon. */
export const exactToleranceNs = (): bigint => (nativeAddon() ? 1n : 1000n)

/** Whether the file at the path has exactly the entry's contents. Both are read, up to the first difference. */
export async function hasContents(repository: Repository, path: string, entry: DirectoryEntry): Promise<boolean> {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (!stats?.isFile() || stats.size !== entry.sizeBytes) return false
  const reader = await repository.objects.open(entry.objectId as ObjectId)
  let fd: number | undefined
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    if (!fstatSync(fd).isFile() || reader.sizeBytes !== stats.size) return false
    const ours = Buffer.allocUnsafe(Math.min(pieceBytes, Math.max(1, stats.size)))
    const theirs = Buffer.allocUnsafe(ours.length)
    for (let at = 0; at < stats.size; ) {
      const got = await reader.read(theirs, at)
      if (got === 0 || readFully(fd, ours, got, at) !== got) return false
      if (ours.compare(theirs, 0, got, 0, got) !== 0) return false
      at += got
    }
    return true
  } finally {
    if (fd !== undefined) closeSync(fd)
    reader.close()
  }
}

function readFully(fd: number, into: Buffer, length: number, at: number): number {
  let done = 0
  while (done < length) {
    const got = readSync(fd, into, done, length - done, at + done)
    if (got === 0) break
    done += got
  }
  return done
}
