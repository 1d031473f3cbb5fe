import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { listSnapshots, sortByTime } from '#snapshot/model/snapshots.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { sameSource } from '#snapshot/model/source-text.ts'
import { parentPath } from '#snapshot/policy/store.ts'
import { readDirectory } from '#snapshot/tree/repository-tree.ts'
import { type Version, VersionCollector } from './version.ts'

export interface PathHistory {
  /** Newest first. */
  readonly versions: readonly Version[]
  /** Snapshots that were looked at, of the path and of folders above it, oldest first. */
  readonly snapshots: readonly Snapshot[]
  /** Complete snapshots newer than the last that holds the path; empty when it is still there. */
  readonly without: readonly Snapshot[]
}

/** All states of one file or folder in the snapshots of its path and of the folders above it. Each directory object on the way is read once,
 *  however many snapshots share it. Throws what reading directories throws. */
export async function pathHistory(repository: Repository, at: SourceInfo): Promise<PathHistory> {
  const lookup = new ChildLookup(repository)
  const holding: { readonly snapshot: Snapshot; readonly names: readonly string[] }[] = []
  for (let path = at.path; ; path = parentPath(path)) {
    const source = { ...at, path }
    const names = at.path
      .slice(path.length)
      .split('/')
      .filter((n) => n !== '')
    for (const snapshot of await listSnapshots(repository, { source, onDamaged: () => undefined }))
      if (sameSource(snapshot.source, source)) holding.push({ snapshot, names })
    if (parentPath(path) === path) break
  }
  const namesOf = new Map(holding.map(({ snapshot, names }) => [snapshot, names]))
  const snapshots = sortByTime(holding.map((h) => h.snapshot))
  const collector = new VersionCollector(false)
  let without: Snapshot[] = []
  for (const snapshot of snapshots) {
    const entry = await lookup.descend(snapshot.rootEntry, namesOf.get(snapshot) ?? [])
    if (entry) {
      collector.add(entry, snapshot)
      without = []
    } else if (!snapshot.incomplete) without.push(snapshot)
  }
  return { versions: collector.versions(), snapshots, without }
}

class ChildLookup {
  readonly #known = new Map<string, DirectoryEntry | undefined>()

  constructor(readonly repository: Repository) {}

  async descend(root: DirectoryEntry | undefined, names: readonly string[]): Promise<DirectoryEntry | undefined> {
    let entry = root
    for (const name of names) {
      if (entry?.type !== 'd' || entry.objectId === '') return undefined
      const key: string = `${entry.objectId}/${name}`
      if (!this.#known.has(key)) {
        const { entries } = await readDirectory(this.repository, entry.objectId as ObjectId)
        this.#known.set(
          key,
          entries.find((e) => e.name === name),
        )
      }
      entry = this.#known.get(key)
    }
    return entry
  }
}
