import { constants } from 'node:os'
import { KuraError, systemCode } from '#base/errors.ts'

const numbers = constants.errno as Readonly<Record<string, number>>
const named = (name: string, fallback: number): number => numbers[name] ?? fallback

/** Error numbers of this system that a file system answers with. */
export const errno = {
  EPERM: named('EPERM', 1),
  ENOENT: named('ENOENT', 2),
  EINTR: named('EINTR', 4),
  EIO: named('EIO', 5),
  EBADF: named('EBADF', 9),
  EAGAIN: named('EAGAIN', 11),
  ENXIO: named('ENXIO', 6),
  EACCES: named('EACCES', 13),
  EEXIST: named('EEXIST', 17),
  EXDEV: named('EXDEV', 18),
  ENOTDIR: named('ENOTDIR', 20),
  EISDIR: named('EISDIR', 21),
  EINVAL: named('EINVAL', 22),
  ENOTTY: named('ENOTTY', 25),
  EFBIG: named('EFBIG', 27),
  ENOSPC: named('ENOSPC', 28),
  EROFS: named('EROFS', 30),
  EMLINK: named('EMLINK', 31),
  ERANGE: named('ERANGE', 34),
  ENAMETOOLONG: named('ENAMETOOLONG', 36),
  ENOSYS: named('ENOSYS', 38),
  ENOTEMPTY: named('ENOTEMPTY', 39),
  ENODATA: named('ENODATA', 61),
  EPROTO: named('EPROTO', 71),
  EILSEQ: named('EILSEQ', 84),
  EOPNOTSUPP: named('EOPNOTSUPP', 95),
  ETIMEDOUT: named('ETIMEDOUT', 110),
  EALREADY: named('EALREADY', 114),
  EINPROGRESS: named('EINPROGRESS', 115),
  ESTALE: named('ESTALE', 116),
} as const

/** What an operation throws to answer with an error number (positive). */
export class FuseError extends KuraError {
  readonly code = 'FUSE'
  constructor(
    readonly errno: number,
    message = `file system error ${errno}`,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** The number to answer with for anything that was thrown: that of a FuseError, that of a system error's code, else EIO. */
export function errnoOf(error: unknown): number {
  if (error instanceof FuseError) return error.errno
  const code = systemCode(error)
  const number = code === undefined ? undefined : numbers[code]
  return number !== undefined && number > 0 && number < 512 ? number : errno.EIO
}
