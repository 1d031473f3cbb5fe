import { chmodSync, lchownSync, lstatSync, lutimesSync, type Stats } from 'node:fs'
import { systemCode } from '#base/errors.ts'
import { nativeAddon } from '#base/native.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { LocalRestoreOptions } from './options.ts'

type AttributeOptions = Pick<LocalRestoreOptions, 'skipOwners' | 'skipPermissions' | 'skipTimes' | 'ignorePermissionErrors'>

/** Brings owner, mode and times of a restored path to those of its entry, changing only what differs, in this order (an owner
 *  change clears setuid bits). Links are not followed; they have no mode of their own. Source: spec 07, 7.4.3. */
export function setAttributes(path: string, entry: DirectoryEntry, options: AttributeOptions): void {
  const now = lstatSync(path, { bigint: true })
  const guarded = guard(options)
  const ownerDiffers = Number(now.uid) !== entry.uid || Number(now.gid) !== entry.gid
  if (!options.skipOwners && ownerDiffers) guarded(() => lchownSync(path, entry.uid, entry.gid))
  if (!options.skipPermissions && entry.type !== 's') {
    const wanted = entry.mode & 0o7777
    if (ownerDiffers || Number(now.mode & 0o7777n) !== wanted) guarded(() => chmodSync(path, wanted))
  }
  if (!options.skipTimes && (now.mtimeNs !== entry.modifiedNs || now.atimeNs !== entry.modifiedNs))
    guarded(() => setTimes(path, entry.modifiedNs))
}

/** setAttributes for a file that this process has just made with mode 0600: nothing has to be looked up first. What is not to be set
 *  stays as it was on the file that has been `replaced`. */
export function setNewFileAttributes(path: string, entry: DirectoryEntry, options: AttributeOptions, replaced: Stats | undefined): void {
  const guarded = guard(options)
  if (replaced?.isFile()) {
    if (options.skipOwners) guarded(() => lchownSync(path, replaced.uid, replaced.gid))
    if (options.skipPermissions) guarded(() => chmodSync(path, replaced.mode & 0o7777))
  }
  // Always: in a setgid directory the new file does not have the group of this process.
  if (!options.skipOwners) guarded(() => lchownSync(path, entry.uid, entry.gid))
  if (!options.skipPermissions && (replaced || (entry.mode & 0o7777) !== 0o600)) guarded(() => chmodSync(path, entry.mode & 0o7777))
  if (!options.skipTimes) guarded(() => setTimes(path, entry.modifiedNs))
}

const guard =
  (options: AttributeOptions) =>
  (change: () => void): void => {
    try {
      change()
    } catch (error) {
      const code = systemCode(error)
      if (!options.ignorePermissionErrors || (code !== 'EPERM' && code !== 'EACCES')) throw error
    }
  }

const nsPerSecond = 1_000_000_000n

/** Access and modification time of a path, links not followed; to the nanosecond with the addon, else to the
 *  microsecond. */
export function setTimes(path: string, ns: bigint): void {
  const nanoseconds = ((ns % nsPerSecond) + nsPerSecond) % nsPerSecond
  const seconds = Number((ns - nanoseconds) / nsPerSecond)
  const addon = nativeAddon()
  if (addon) addon.setTimes(Buffer.from(path), seconds, Number(nanoseconds))
  else {
    // Node cuts to microseconds what the double comes to, which may be just below the one that is meant.
    const time = seconds + (Math.floor(Number(nanoseconds) / 1000) + 0.5) / 1e6
    lutimesSync(path, time, time)
  }
}
