/** Flags of a mount that the kernel itself heeds, with their bits for mount(2) (linux/mount.h); fusermount3 knows them by name. */
export const vfsFlagBits = {
  sync: 16,
  dirsync: 128,
  nosymfollow: 256,
  noexec: 8,
  noatime: 1024,
  nodiratime: 2048,
} as const

export type VfsFlag = keyof typeof vfsFlagBits

export const isVfsFlag = (name: string): name is VfsFlag => Object.hasOwn(vfsFlagBits, name)
