import { closeSync, constants, lstatSync, mkdirSync, openSync, readdirSync, renameSync, rmdirSync, rmSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { systemCode, UsageError } from '#base/errors.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { encodeEntry } from '#snapshot/model/entry-json.ts'
import { placeholderSuffix, statLocal } from '#snapshot/tree/local-tree.ts'
import { readPlaceholder } from '#snapshot/upload/placeholder.ts'
import { setAttributes } from './attributes.ts'
import { RestoreConflictError } from './errors.ts'
import { draftName } from './local-file.ts'
import type { LocalRestoreOptions } from './options.ts'

const maxNameBytes = 255
const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

/** Whether a placeholder's name fits for an entry of this name. */
export const hasRoomForPlaceholder = (name: string): boolean => Buffer.byteLength(name) + placeholderSuffix.length <= maxNameBytes

/** Writes a placeholder in place of the file or directory at `path`: the entry as JSON. Throws RestoreConflictError when the real one is
 *  there, or something else where the placeholder is to be. Source: spec 03, 5.6; spec 07, 7.4.4. */
export function writePlaceholder(path: string, entry: DirectoryEntry, options: LocalRestoreOptions): void {
  if (lstatSync(path, { throwIfNoEntry: false }))
    throw new RestoreConflictError(`${path} exists already, so no placeholder is put beside it. Remove it, or restore it in full.`)
  if (!hasRoomForPlaceholder(basename(path)))
    throw new RestoreConflictError(`${path} has too long a name for a placeholder. Restore it in full.`)
  let file = `${path}${placeholderSuffix}`
  if (entry.type === 'd') {
    const existing = lstatSync(file, { throwIfNoEntry: false })
    if (existing && !existing.isDirectory()) throw new RestoreConflictError(`${file} is not a directory. Remove it.`)
    if (!existing) mkdirSync(file, 0o700)
    file = join(file, placeholderSuffix)
  } else if (lstatSync(file, { throwIfNoEntry: false })?.isDirectory()) throw new RestoreConflictError(`${file} is a directory. Remove it.`)
  const draft = draftName(file)
  try {
    const fd = openSync(draft, createFlags, 0o600)
    try {
      writeSync(fd, `${encodeEntry(entry)}\n`)
    } finally {
      closeSync(fd)
    }
    setAttributes(draft, { ...entry, type: 'f', mode: entry.mode & ~0o222 }, options)
    renameSync(draft, file)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
}

/** Names of the placeholders in a directory that stood there before, without their suffix. */
export function placeholdersIn(directory: string): ReadonlySet<string> {
  const names = readdirSync(directory).filter((n) => n.endsWith(placeholderSuffix) && n !== placeholderSuffix)
  return new Set(names.map((n) => n.slice(0, -placeholderSuffix.length)))
}

/** Takes the placeholder away of an entry that is there now. One with anything else in it stays. */
export function removePlaceholder(path: string): void {
  const placeholder = `${path}${placeholderSuffix}`
  const stats = lstatSync(placeholder, { throwIfNoEntry: false })
  if (!stats) return
  if (!stats.isDirectory()) {
    rmSync(placeholder, { force: true })
    return
  }
  rmSync(join(placeholder, placeholderSuffix), { force: true })
  try {
    rmdirSync(placeholder)
  } catch (error) {
    if (systemCode(error) !== 'ENOTEMPTY') throw error
  }
}

export interface Expansion {
  readonly entry: DirectoryEntry
  /** Where the entry belongs. */
  readonly target: string
}

/** What a placeholder, named by its path, stands for. Throws RestoreConflictError when the real entry is there, too; EntryReadError when the
 *  placeholder cannot be used; UsageError when there is none. */
export async function openPlaceholder(repository: Repository, given: string): Promise<Expansion> {
  const path = basename(given) === placeholderSuffix ? dirname(given) : given
  const target = path.slice(0, -placeholderSuffix.length)
  if (!path.endsWith(placeholderSuffix) || basename(target) === '')
    throw new UsageError(`${given} is not the name of a placeholder (NAME${placeholderSuffix})`)
  if (lstatSync(target, { throwIfNoEntry: false }))
    throw new RestoreConflictError(`${target} is there beside its placeholder. Remove one of them.`)
  const local = statLocal(path, basename(path))
  return { entry: await readPlaceholder(repository, path, local, [local]), target }
}
