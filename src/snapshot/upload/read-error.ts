import { KuraError, systemCode } from '#base/errors.ts'

/** The source could not be read: recorded against the entry, the upload goes on. Never used for storage failures, which end it. */
export class EntryReadError extends KuraError {
  readonly code = 'ENTRY_READ'
}

const plain: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ENOENT: 'no such file or directory',
  ENOTDIR: 'not a directory',
  EIO: 'input/output error',
  ENOTCONN: 'transport endpoint is not connected',
  ELOOP: 'it has become a symbolic link',
  ESTALE: 'stale file handle',
  EBUSY: 'device or resource busy',
}

/** Wraps what a system call threw; the text is the innermost system error without the path (spec 07, 7.1.9). */
export function readError(error: unknown): EntryReadError {
  if (error instanceof EntryReadError) return error
  const code = systemCode(error)
  const text = (code && plain[code]) ?? code ?? (error instanceof Error ? error.message : String(error))
  return new EntryReadError(text, { cause: error })
}
