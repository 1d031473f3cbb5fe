import {
  closeSync,
  constants,
  copyFileSync,
  fdatasync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { nativeAddon } from '#base/native.ts'

/** What the staging area asks of the disk: replaced in tests to stop after the n-th byte or to lose what was not synced. All throw system
 *  errors. Synchronous calls are what the hot path uses: they cost less than a turn through the thread pool. */
export interface SpoolFiles {
  /** `make`: created when missing (0600). */
  open(path: string, make: boolean): number
  close(fd: number): void
  /** Writes at a position; may take fewer bytes. */
  write(fd: number, data: Uint8Array, start: number, length: number, position: number): number
  read(fd: number, into: Uint8Array, start: number, length: number, position: number): number
  /** Undefined when there is no such file. */
  stat(path: string): { readonly sizeBytes: number; readonly diskBytes: number } | undefined
  truncate(fd: number, sizeBytes: number): void
  /** Gives the space of a range back, or does nothing where that cannot be; what is read there is of no interest any more. */
  punch(fd: number, position: number, length: number): void
  /** The whole file; undefined when there is none. */
  readWhole(path: string): Buffer | undefined
  copy(from: string, to: string): void
  dataSync(fd: number): Promise<void>
  fullSync(fd: number): void
  rename(from: string, to: string): void
  remove(path: string): void
  makeFolder(path: string): void
  syncFolder(path: string): void
  folderSync(path: string): Promise<void>
  names(path: string): string[]
  freeBytes(path: string): number
}

const missing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'

export const diskFiles: SpoolFiles = {
  open: (path, make) => openSync(path, constants.O_RDWR | (make ? constants.O_CREAT : 0), 0o600),
  close: closeSync,
  write: writeSync,
  read: readSync,
  stat: (path) => {
    const found = statSync(path, { throwIfNoEntry: false })
    return found && { sizeBytes: found.size, diskBytes: found.blocks * 512 }
  },
  truncate: ftruncateSync,
  punch: (fd, position, length) => void nativeAddon()?.punchHole?.(fd, position, length),
  readWhole: (path) => {
    try {
      return readFileSync(path)
    } catch (error) {
      if (missing(error)) return undefined
      throw error
    }
  },
  copy: copyFileSync,
  dataSync: (fd) => new Promise((resolve, reject) => fdatasync(fd, (error) => (error ? reject(error) : resolve()))),
  fullSync: fsyncSync,
  rename: renameSync,
  remove: (path) => {
    try {
      unlinkSync(path)
    } catch (error) {
      if (!missing(error)) throw error
    }
  },
  makeFolder: (path) => {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  },
  syncFolder: (path) => {
    const fd = openSync(path, 'r')
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  },
  folderSync: async (path) => {
    const folder = await open(path, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  },
  names: (path) => {
    try {
      return readdirSync(path)
    } catch (error) {
      if (missing(error)) return []
      throw error
    }
  },
  freeBytes: (path) => {
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize
  },
}

/** Writes all of `data`, however many calls that takes. */
export function writeFully(files: SpoolFiles, fd: number, data: Uint8Array, position: number): void {
  for (let done = 0; done < data.length; ) {
    const taken = files.write(fd, data, done, data.length - done, position + done)
    if (taken <= 0) throw Object.assign(new Error('nothing could be written to the spool'), { code: 'ENOSPC' })
    done += taken
  }
}
