import type { ByteName } from '#fuse/operations.ts'

/** Names that desktops, editors and copiers leave behind or only use for a moment. Source: spec 08, 4.9. */
const alwaysRubbish = /^(?:\.Trash(?:-.*)?|\.nfs.*|\.fuse_hidden.*|\.goutputstream-.*|\.~lock\..*#|\..*\.swp)$/s

/** `.NAME.XXXXXX`: what rsync writes before it renames. */
const rsyncTemporary = /^\..+\.[A-Za-z0-9]{6}$/s

/** Whether a changed entry is left out of snapshots. `isBeingWritten`: somebody has it open for writing just now. */
export const isRubbish = (name: ByteName, isBeingWritten: boolean): boolean =>
  alwaysRubbish.test(name) || (isBeingWritten && rsyncTemporary.test(name))
