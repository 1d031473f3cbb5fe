import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { readStoredDirectory } from '#snapshot/tree/repository-tree.ts'

/** Directories of the target repository's snapshots to take unchanged files from, the most wanted first (spec 07, 7.1.5). One that cannot
 *  be read is passed over: its files are copied. */
export class EarlierDirectories {
  private constructor(private readonly directories: readonly ReadonlyMap<string, DirectoryEntry>[]) {}

  static async read(repository: Repository, ids: readonly ObjectId[]): Promise<EarlierDirectories> {
    const directories: ReadonlyMap<string, DirectoryEntry>[] = []
    for (const id of ids) {
      const stored = await readStoredDirectory(repository, id).catch(() => undefined)
      if (stored) directories.push(new Map(stored.entries.map((e) => [e.name, e])))
    }
    return new EarlierDirectories(directories)
  }

  /** Object of the same file: type, time, mode, owner and size. */
  unchanged(entry: DirectoryEntry): ObjectId | undefined {
    for (const directory of this.directories) {
      const earlier = directory.get(entry.name)
      if (earlier && earlier.objectId !== '' && isUnchanged(earlier, entry)) return earlier.objectId
    }
    return undefined
  }

  /** Object IDs of the directories of this name. */
  children(name: string): ObjectId[] {
    const found = this.directories.map((d) => d.get(name)).filter((e) => e?.type === 'd' && e.objectId !== '')
    return [...new Set(found.map((e) => e?.objectId as ObjectId))]
  }
}

const isUnchanged = (a: DirectoryEntry, b: DirectoryEntry): boolean =>
  a.type === b.type &&
  a.sizeBytes === b.sizeBytes &&
  a.modifiedNs === b.modifiedNs &&
  a.mode === b.mode &&
  a.uid === b.uid &&
  a.gid === b.gid
