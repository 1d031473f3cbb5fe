import { UsageError } from '#base/errors.ts'
import { isVfsFlag, type VfsFlag } from '#fuse/vfs-flags.ts'

export interface MountOptions {
  readonly vfsFlags: readonly VfsFlag[]
  readonly allowOther: boolean
  readonly readOnly: boolean
}

/** True anyway, or for mount(8) and systemd alone. */
const withoutEffect =
  /^(?:rw|nosuid|nodev|exec|suid|dev|async|atime|diratime|symfollow|default_permissions|defaults|_netdev|noauto|auto|nofail|users?|nouser|x-.*|comment=.*)$/s

/** What `-o` lists say, separated by commas. UsageError for an option that is not known. Source: spec 08, 2 and 3.14. */
export function parseMountOptions(lists: readonly string[]): MountOptions {
  const vfsFlags: VfsFlag[] = []
  let allowOther = false
  let readOnly = false
  for (const name of lists.flatMap((list) => list.split(',')).filter((n) => n !== '')) {
    if (isVfsFlag(name)) vfsFlags.push(name)
    else if (name === 'allow_other') allowOther = true
    else if (name === 'ro') readOnly = true
    else if (!withoutEffect.test(name)) throw new UsageError(`unknown mount option ${name}`)
  }
  return { vfsFlags, allowOther, readOnly }
}
