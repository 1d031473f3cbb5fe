import { randomBytes } from 'node:crypto'
import { type FileHandle, link, lstat, mkdir, open, rename, unlink } from 'node:fs/promises'
import { dirname, join, parse } from 'node:path'
import { systemCode } from './errors.ts'

export interface DurableWriteOptions {
  /** Permission bits of a new file, before the umask. Default 0600. */
  readonly mode?: number
  /** Name of the temporary file; must lie in the same file system. Default `<path>.tmp.<16 hex digits>`. */
  readonly temporaryPath?: string
  /** Access and modification time to set, milliseconds since the Unix epoch. */
  readonly modifiedMs?: number
  /** Owner to give the file to; a refusal is ignored (only root may do this). */
  readonly owner?: { readonly uid: number; readonly gid: number }
  /** Fail with EEXIST when `path` exists, atomically. */
  readonly exclusive?: boolean
}

export interface WrittenFile {
  readonly sizeBytes: number
  readonly modifiedMs: number
}

/** Writes a whole file so that it survives a power cut once the promise resolves, and so that nobody ever sees a part of it: temporary
 *  file, fsync, rename, fsync of the directory. On failure the temporary file is removed and the system error thrown. The parts are
 *  handed to writev as they are, without copies. */
export async function writeDurably(path: string, parts: readonly Uint8Array[], options: DurableWriteOptions = {}): Promise<WrittenFile> {
  const temporary = options.temporaryPath ?? `${path}.tmp.${randomBytes(8).toString('hex')}`
  const handle = await open(temporary, 'wx', options.mode ?? 0o600)
  try {
    const written = await fillAndSync(handle, parts, options)
    if (options.exclusive) await placeIfAbsent(temporary, path)
    else await rename(temporary, path)
    await syncDirectory(dirname(path))
    return written
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw error
  }
}

// What file systems answer that know no hard links.
const noLinks = new Set(['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK'])

/** Gives a file its name only if nothing has it: atomic where hard links exist, else a look and a rename. */
async function placeIfAbsent(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path)
    await unlink(temporary)
  } catch (error) {
    if (!noLinks.has(systemCode(error) ?? '')) throw error
    const taken = await lstat(path).then(
      () => true,
      (absent: unknown) => systemCode(absent) !== 'ENOENT',
    )
    if (taken) throw Object.assign(new Error(`EEXIST: ${path} exists already`), { code: 'EEXIST' })
    await rename(temporary, path)
  }
}

async function fillAndSync(handle: FileHandle, parts: readonly Uint8Array[], options: DurableWriteOptions): Promise<WrittenFile> {
  try {
    await writeAll(handle, parts)
    if (options.owner) await handle.chown(options.owner.uid, options.owner.gid).catch(() => undefined)
    if (options.modifiedMs !== undefined) await handle.utimes(options.modifiedMs / 1000, options.modifiedMs / 1000)
    await handle.sync()
    const { size, mtimeMs } = await handle.stat()
    return { sizeBytes: size, modifiedMs: mtimeMs }
  } finally {
    await handle.close()
  }
}

// Linux takes 1024 vectors in one call.
const maxVectors = 1024

/** Appends all parts at the current position of the handle, however many calls that takes. */
export async function writeAll(handle: FileHandle, parts: readonly Uint8Array[]): Promise<void> {
  let rest = parts.filter((p) => p.length > 0)
  while (rest.length > 0) {
    const batch = rest.slice(0, maxVectors)
    let { bytesWritten } = await handle.writev(batch)
    let done = 0
    while (done < batch.length && bytesWritten >= (batch[done] as Uint8Array).length) bytesWritten -= (batch[done++] as Uint8Array).length
    const behind = rest.slice(done)
    if (bytesWritten > 0) behind[0] = (behind[0] as Uint8Array).subarray(bytesWritten)
    rest = behind
  }
}

// What file systems answer that cannot sync directories at all, and Windows, which cannot open them.
const cannotSync = new Set(['EINVAL', 'ENOTSUP', 'EISDIR', 'EPERM', 'EACCES', 'ENOSYS'])

/** Makes renames and new names in a directory survive a power cut; does nothing where the file system cannot do that. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    const handle = await open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (!cannotSync.has(systemCode(error) ?? '')) throw error
  }
}

/** Makes a directory below `root` with all that is missing on the way, durably. `root` itself is never made: when it is missing (a volume
 *  that is not mounted), ENOENT is thrown. */
export async function makeDirectoryBelow(root: string, path: string, mode: number): Promise<void> {
  if (path === root || path === parse(path).root) throw Object.assign(new Error(`${root} is missing`), { code: 'ENOENT' })
  try {
    await mkdir(path, { mode })
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return
    if (systemCode(error) !== 'ENOENT') throw error
    await makeDirectoryBelow(root, join(path, '..'), mode)
    await mkdir(path, { mode }).catch((again: unknown) => {
      if (systemCode(again) !== 'EEXIST') throw again
    })
  }
  await syncDirectory(dirname(path))
}
