import { closeSync, constants, fchmodSync, fchownSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { nativeAddon } from '#base/native.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { setTimes } from './attributes.ts'
import type { LocalRestoreOptions } from './options.ts'

const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
const firstMode = 0o600
const nsPerSecond = 1_000_000_000n

export interface NewFile {
  /** Its name has been checked. */
  readonly entry: DirectoryEntry
  readonly data: Uint8Array
}

type WriteOptions = Pick<LocalRestoreOptions, 'skipOwners' | 'skipPermissions' | 'skipTimes' | 'ignorePermissionErrors'>

/** Makes files with their attributes in a directory, none where anything has the name already, none through a link: one job of the thread
 *  pool where the addon is there. Tells of each whether that is done; of what could not be done nothing is left. */
export async function writeNewFiles(directory: string, files: readonly NewFile[], options: WriteOptions): Promise<boolean[]> {
  const addon = nativeAddon()
  if (!addon) return files.map((file) => writeHere(directory, file, options))
  const { whole, ranges } = joined(files)
  const attributes = new Uint32Array(3 * files.length)
  const times = new BigInt64Array(2 * files.length)
  for (const [i, { entry }] of files.entries()) {
    attributes.set([entry.mode & 0o7777, entry.uid, entry.gid], 3 * i)
    const nanoseconds = ((entry.modifiedNs % nsPerSecond) + nsPerSecond) % nsPerSecond
    times[2 * i] = (entry.modifiedNs - nanoseconds) / nsPerSecond
    times[2 * i + 1] = nanoseconds
  }
  const results = new Int32Array(files.length)
  const flags =
    (options.skipOwners ? 0 : 1) |
    (options.skipPermissions ? 0 : 2) |
    (options.skipTimes ? 0 : 4) |
    (options.ignorePermissionErrors ? 8 : 0)
  await addon.writeFiles(
    Buffer.from(`${directory}\0`),
    Buffer.from(`${files.map(({ entry }) => entry.name).join('\0')}\0`),
    whole,
    ranges,
    attributes,
    Buffer.from(times.buffer),
    flags,
    results,
  )
  return Array.from(results, (result) => result === 0)
}

/** All bytes in one piece of memory, which they often are in already. */
function joined(files: readonly NewFile[]): { readonly whole: Uint8Array; readonly ranges: Uint32Array } {
  const ranges = new Uint32Array(2 * files.length)
  const buffer = files[0]?.data.buffer as ArrayBufferLike
  const isOne = buffer.byteLength <= 0xffff_ffff && files.every(({ data }) => data.buffer === buffer)
  let at = 0
  for (const [i, { data }] of files.entries()) {
    ranges[2 * i] = isOne ? data.byteOffset : at
    ranges[2 * i + 1] = data.length
    at += data.length
  }
  return { whole: isOne ? new Uint8Array(buffer) : Buffer.concat(files.map(({ data }) => data)), ranges }
}

/** The twin, for one file. */
function writeHere(directory: string, { entry, data }: NewFile, options: WriteOptions): boolean {
  const path = join(directory, entry.name)
  let fd: number
  try {
    fd = openSync(path, createFlags, firstMode)
  } catch {
    return false
  }
  const guarded = (change: () => void) => {
    try {
      change()
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (!options.ignorePermissionErrors || (code !== 'EPERM' && code !== 'EACCES')) throw error
    }
  }
  try {
    for (let at = 0; at < data.length; ) at += writeSync(fd, data, at, data.length - at)
    if (!options.skipOwners) guarded(() => fchownSync(fd, entry.uid, entry.gid))
    if (!options.skipPermissions && (entry.mode & 0o7777) !== firstMode) guarded(() => fchmodSync(fd, entry.mode & 0o7777))
    if (!options.skipTimes) guarded(() => setTimes(path, entry.modifiedNs))
    return true
  } catch {
    rmSync(path, { force: true })
    return false
  } finally {
    closeSync(fd)
  }
}
