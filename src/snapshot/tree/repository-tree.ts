import { maxJsonBytes } from '#base/json-read.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry, DirectorySummary } from '#snapshot/model/directory-entry.ts'
import { decodeDirectory } from '#snapshot/model/directory-json.ts'
import { DirectoryFormatError } from '#snapshot/model/errors.ts'

export interface StoredDirectory {
  readonly entries: DirectoryEntry[]
  readonly summary: DirectorySummary | undefined
}

/** A directory as it is stored: sub-directories with their own size and time. For comparing, rewriting and taking over unchanged
 *  entries. Throws DirectoryFormatError, and what reading the object throws. */
export async function readStoredDirectory(repository: Repository, objectId: ObjectId): Promise<StoredDirectory> {
  return decodeDirectory(await repository.objects.readAll(objectId, maxJsonBytes))
}

/** A directory as readers show it: a sub-directory with a summary has the summary's total size and latest time.
 *  Throws DirectoryFormatError, and what reading the object throws. Source: spec 03, 5.5. */
export async function readDirectory(repository: Repository, objectId: ObjectId): Promise<StoredDirectory> {
  const { entries, summary } = await readStoredDirectory(repository, objectId)
  return { entries: entries.map(presented), summary }
}

/** One entry of a listing as readers show it. Not for the root of a snapshot, which keeps its own values. */
export function presented(entry: DirectoryEntry): DirectoryEntry {
  if (entry.type !== 'd' || !entry.summary) return entry
  return { ...entry, sizeBytes: entry.summary.totalBytes, modifiedNs: entry.summary.maxTimeNs }
}

/** The entry as an object ID of a directory. Throws DirectoryFormatError if it has none. */
export function directoryId(entry: DirectoryEntry): ObjectId {
  if (entry.type !== 'd') throw new DirectoryFormatError(`"${entry.name}" is not a directory`)
  if (entry.objectId === '') throw new DirectoryFormatError(`the directory "${entry.name}" has no object`)
  return entry.objectId
}

export interface WalkedEntry {
  /** Below the root, '/'-separated; '' for the root itself. */
  readonly path: string
  readonly entry: DirectoryEntry
  /** 0 for the root. */
  readonly depth: number
}

export interface WalkOptions {
  /** Entries deeper than this are not visited; a directory at this depth is not read. */
  readonly maxDepth?: number
  /** Called for a directory; false leaves it unread. */
  readonly enter?: (item: WalkedEntry) => boolean
  /** Sub-directories with their own size and time. */
  readonly asStored?: boolean
  /** Told of directories that cannot be read; without it the error is thrown. */
  readonly onError?: (item: WalkedEntry, error: unknown) => void
}

/** All entries depth first in stored order, the root first; one directory is read at a time. A directory inside itself, which nobody can
 *  make but a forger, is a DirectoryFormatError as if it could not be read. */
export async function* walkTree(repository: Repository, root: DirectoryEntry, options: WalkOptions = {}): AsyncGenerator<WalkedEntry> {
  // A stack instead of recursion: trees may be thousands of levels deep.
  const stack: WalkedEntry[] = [{ path: '', entry: root, depth: 0 }]
  /** Objects of the directories on the way to the present one. */
  const inside: string[] = []
  for (let item = stack.pop(); item; item = stack.pop()) {
    yield item
    const { path, entry, depth } = item
    if (entry.type !== 'd' || depth >= (options.maxDepth ?? Number.POSITIVE_INFINITY) || options.enter?.(item) === false) continue
    try {
      const id = directoryId(entry)
      inside.length = depth
      if (inside.includes(id)) throw new DirectoryFormatError(`the directory "${path}" contains itself`)
      inside.push(id)
      const { entries } = await (options.asStored ? readStoredDirectory : readDirectory)(repository, id)
      for (const child of entries.reverse())
        stack.push({ path: path === '' ? child.name : `${path}/${child.name}`, entry: child, depth: depth + 1 })
    } catch (error) {
      if (!options.onError) throw error
      options.onError(item, error)
    }
  }
}
