import { KuraError } from '#base/errors.ts'

/** A mount or unmount that did not work. The message says which package, permission or directory is missing. */
export class MountError extends KuraError {
  readonly code: string = 'MOUNT'
}

/** Unmount refused because files below the mount point are open. */
export class MountBusyError extends MountError {
  override readonly code = 'MOUNT_BUSY'
}
