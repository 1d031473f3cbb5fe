import { messageOf, systemCode } from '#base/errors.ts'
import { StorageError, StorageFullError, TransientStorageError } from './errors.ts'

const full = new Set(['ENOSPC', 'EDQUOT'])
const transient = new Set([
  'EAGAIN',
  'EBUSY',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'EINTR',
  'EIO',
  'EMFILE',
  'ENETDOWN',
  'ENETRESET',
  'ENETUNREACH',
  'ENFILE',
  'ENOTCONN',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
])

/** Whether a system error code names a condition that may pass by itself. */
export const isTransientCode = (code: string | undefined): boolean => code !== undefined && transient.has(code)

/** A system error as a StorageError of the right kind: full, worth retrying, or final. `what` says what failed, on what. */
export function storageErrorOf(error: unknown, what: string): StorageError {
  if (error instanceof StorageError) return error
  const code = systemCode(error)
  const message = `${what}: ${messageOf(error)}`
  if (code !== undefined && full.has(code))
    return new StorageFullError(`${what}: no space left on the storage. Free some space or raise the quota, then try again.`, {
      cause: error,
    })
  return isTransientCode(code) ? new TransientStorageError(message, { cause: error }) : new StorageError(message, { cause: error })
}
