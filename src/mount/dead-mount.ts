import { realpath, statfs } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { systemCode } from '#base/errors.ts'
import { MountError } from '#fuse/errors.ts'
import { unmountLinux } from '#fuse/mount-linux.ts'
import { mountAt, ourMountType } from '#fuse/mount-table.ts'
import { reopenFolder } from './bare-folder.ts'

/** The absolute path of a mount point without links, as the mount table has it. Does not ask the file system that is mounted there. */
export async function mountPointPath(path: string): Promise<string> {
  const absolute = resolve(path)
  const real = await realpath(absolute).catch(() => undefined)
  if (real !== undefined) return real
  const folder = await realpath(dirname(absolute)).catch(() => dirname(absolute))
  return join(folder, basename(absolute))
}

/** Takes away a mount of ours whose process has ended; true if there was one. Anything else that is mounted there stays. */
export async function removeDeadMount(mountPoint: string): Promise<boolean> {
  if ((await mountAt(mountPoint))?.type !== ourMountType || !(await isDeadMount(mountPoint))) return false
  await unmountLinux(mountPoint, { lazy: true })
  return true
}

async function isDeadMount(mountPoint: string): Promise<boolean> {
  // Not lstat: the kernel answers that from its cache for as long as attributes live.
  const code = await statfs(mountPoint).then(
    () => undefined,
    (error: unknown) => systemCode(error),
  )
  return code === 'ENOTCONN'
}

/** Ends the mount of Kura at a path, whichever process serves it. MountError when there is none, MountBusyError while files are open
 *  (then `lazy` detaches it at once, and it ends when they are closed). */
export async function unmountAt(path: string, options: { readonly lazy?: boolean } = {}): Promise<void> {
  const mountPoint = await mountPointPath(path)
  if ((await mountAt(mountPoint))?.type !== ourMountType) {
    // Somebody has taken a dead mount away already.
    if (await reopenFolder(mountPoint).catch(() => false)) return
    throw new MountError(`Cannot unmount ${mountPoint}: nothing is mounted there by Kura.`)
  }
  const isDead = await isDeadMount(mountPoint)
  await unmountLinux(mountPoint, options)
  if (isDead) await reopenFolder(mountPoint).catch(() => false)
}
