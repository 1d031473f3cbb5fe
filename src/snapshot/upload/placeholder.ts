import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { parseFirstJson } from '#base/json-read.ts'
import { InvalidObjectIdError } from '#repo/object/errors.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { decodeEntry } from '#snapshot/model/entry-json.ts'
import { isSafeName } from '#snapshot/model/raw-name.ts'
import { type LocalEntry, placeholderSuffix } from '#snapshot/tree/local-tree.ts'
import { EntryReadError, readError } from './read-error.ts'

const maxPlaceholderBytes = 64 << 20

/** The entry that a placeholder of a shallow restore stands for, as it is to be stored. `path` is that of the placeholder, `siblings`
 *  are the entries beside it. Throws EntryReadError when it cannot be read, when the real entry is there too, or when the repository
 *  does not have its contents; storage errors as they are. Source: spec 07, 7.1.12; spec 03, 5.6. */
export async function readPlaceholder(
  repository: Repository,
  path: string | Buffer,
  local: LocalEntry,
  siblings: readonly LocalEntry[],
): Promise<DirectoryEntry> {
  if (siblings.some((e) => e.name === local.name && !e.isPlaceholder))
    throw new EntryReadError('both the entry itself and a placeholder for it are there; remove one of them')
  const file = local.type === 'd' ? Buffer.concat([Buffer.from(path), Buffer.from(`/${placeholderSuffix}`)]) : path
  const entry = parseEntry(readText(file))
  if (!isSafeName(entry.name) || entry.objectId === '')
    throw new EntryReadError('the placeholder does not hold an entry with a name and contents')
  let isPresent: boolean
  try {
    isPresent = await repository.objects.isPresent(entry.objectId)
  } catch (error) {
    if (error instanceof InvalidObjectIdError) throw new EntryReadError('the placeholder does not name an object', { cause: error })
    throw error
  }
  if (!isPresent) throw new EntryReadError(`the placeholder stands for the object ${entry.objectId}, which this repository does not have`)
  return entry
}

function readText(file: string | Buffer): string {
  try {
    const fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const stats = fstatSync(fd)
      if (!stats.isFile() || stats.size > maxPlaceholderBytes)
        throw new EntryReadError('the placeholder is not a regular file of sensible size')
      return readFileSync(fd, 'utf8')
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    throw readError(error)
  }
}

function parseEntry(text: string): DirectoryEntry {
  try {
    return decodeEntry(parseFirstJson(text))
  } catch (error) {
    throw new EntryReadError('the placeholder does not hold the JSON of a directory entry', { cause: error })
  }
}
