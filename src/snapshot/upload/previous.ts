import { messageOf } from '#base/errors.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { readStoredDirectory } from '#snapshot/tree/repository-tree.ts'

/** Directories of earlier snapshots that stand where the one being walked stands, the most wanted first (spec 07, 7.1.5). */
export interface PreviousDirectories {
  /** The entry of an earlier snapshot that is the same file: type, time, mode, owner and size. Undefined when none is. */
  findUnchanged(entry: DirectoryEntry): DirectoryEntry | undefined
  /** Object IDs of the directories of this name, each once. */
  children(name: string): ObjectId[]
}

/** Loads the directories with these object IDs. One that cannot be read costs its reuse, not the upload: `note` hears of it. */
export async function loadPrevious(
  repository: Repository,
  ids: readonly ObjectId[],
  note: (message: string) => void,
): Promise<PreviousDirectories> {
  const directories: Map<string, DirectoryEntry>[] = []
  for (const id of ids) {
    try {
      const { entries } = await readStoredDirectory(repository, id)
      directories.push(new Map(entries.map((e) => [e.name, e])))
    } catch (error) {
      note(`a directory of the previous snapshot cannot be read, its files are read again: ${messageOf(error)}`)
    }
  }
  return {
    findUnchanged(entry) {
      for (const directory of directories) {
        const previous = directory.get(entry.name)
        if (previous && isUnchanged(previous, entry)) return previous
      }
      return undefined
    },
    children(name) {
      const found = new Set<ObjectId>()
      for (const directory of directories) {
        const previous = directory.get(name)
        if (previous?.type === 'd' && previous.objectId !== '') found.add(previous.objectId)
      }
      return [...found]
    },
  }
}

const isUnchanged = (previous: DirectoryEntry, now: DirectoryEntry): boolean =>
  previous.sizeBytes === now.sizeBytes &&
  previous.modifiedNs === now.modifiedNs &&
  previous.mode === now.mode &&
  previous.uid === now.uid &&
  previous.gid === now.gid &&
  previous.type === now.type &&
  previous.objectId !== ''
