import { chmodSync, lstatSync, mkdirSync, readdirSync } from 'node:fs'
import { RestoreConflictError } from './errors.ts'
import type { LocalRestoreOptions } from './options.ts'

/** Makes sure that a real directory stands at `path`, writable for us until its attributes are set at the end. A symbolic link
 *  there is refused: what is written below it would land elsewhere. Returns the mode that it had, if that was changed.
 *  Throws RestoreConflictError. */
export function enterDirectory(path: string, options: LocalRestoreOptions, isRoot: boolean): number | undefined {
  const existing = lstatSync(path, { throwIfNoEntry: false })
  if (!existing) {
    mkdirSync(path, { recursive: isRoot, mode: 0o700 })
    return undefined
  }
  if (existing.isSymbolicLink())
    throw new RestoreConflictError(
      `${path} is a symbolic link, but a directory in the snapshot. Restoring through it could write outside of the target; move it away first.`,
    )
  if (!existing.isDirectory()) throw new RestoreConflictError(`${path} is not a directory, but one in the snapshot. Move it away first.`)
  if (!options.overwriteDirectories && readdirSync(path).length > 0)
    throw new RestoreConflictError(`${path} exists already and is not empty. Leave out --no-overwrite-directories to restore into it.`)
  // An ordinary user restoring again over a read-only directory needs to write there in the meantime.
  const isOurs = process.geteuid?.() !== 0 && existing.uid === process.geteuid?.()
  if (!isOurs || (existing.mode & 0o700) === 0o700) return undefined
  const mode = existing.mode & 0o7777
  chmodSync(path, mode | 0o700)
  return mode
}
