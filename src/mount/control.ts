import type { ByteName, Reply } from '#fuse/operations.ts'
import type { Staging } from './staging/staging.ts'

/** The files of `.kura/` and the attributes `user.kura.*` of a writable mount: how programs that know nothing of us ask for a flush and
 *  see its state (spec 08, 4.7). Nothing of it is cached by the kernel. */
export interface Control {
  /** 'status', 'errors', 'flush', 'last-snapshot'. */
  readonly names: readonly ByteName[]
  /** Names that can be written to. */
  readonly writableNames: readonly ByteName[]
  /** The whole content, as it is now. */
  read(name: ByteName): Reply<Uint8Array>
  /** One write(2). Throws FuseError (EINVAL for a word that means nothing, EALREADY). */
  write(name: ByteName, data: Uint8Array): Reply<void>
  /** fsync(2): waits for the job that was started; throws FuseError with the errno that `sync FILE` shows (EINPROGRESS after 30 s). */
  sync(name: ByteName): Promise<void>
  /** `user.kura.*` on the root of an overlay; undefined = there is no such attribute (ENODATA). */
  getXattr(staging: Staging, name: ByteName): Reply<Uint8Array | undefined>
  readonly xattrNames: readonly ByteName[]
  /** Throws FuseError: EOPNOTSUPP for an attribute that cannot be set. */
  setXattr(staging: Staging, name: ByteName, value: Uint8Array): Reply<void>
}
