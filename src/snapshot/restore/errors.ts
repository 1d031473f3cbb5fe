import { KuraError } from '#base/errors.ts'

/** Something in the target stands in the way of a restore. */
export class RestoreConflictError extends KuraError {
  readonly code = 'RESTORE_CONFLICT'
}

/** A name or a tree in the repository that no honest writer makes. Nothing is written for it. */
export class HostileEntryError extends KuraError {
  readonly code = 'HOSTILE_ENTRY'
}

/** Refuses names that would lead out of their directory: empty, `.`, `..`, with a slash or a zero byte. Throws HostileEntryError. */
export function checkName(name: string): string {
  if (!isFileName(name)) throw new HostileEntryError(`the entry name ${JSON.stringify(name)} is not a file name; it is not restored`)
  return name
}

/** Whether a name stays in its directory. */
export const isFileName = (name: string): boolean =>
  name !== '' && name !== '.' && name !== '..' && !name.includes('/') && !name.includes('\0')
