import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'

/** One state of a file or folder, and the snapshots that hold it so. */
export interface Version {
  /** As the latest of the snapshots has it. */
  readonly entry: DirectoryEntry
  /** Oldest first. */
  readonly snapshots: readonly Snapshot[]
}

/** Gathers the states of one path while snapshots are gone through, oldest first. */
export class VersionCollector {
  readonly #versions = new Map<string, { entry: DirectoryEntry; snapshots: Snapshot[] }>()

  /** `isOneFolder`: all states of a folder count as one, since it changes with everything in it. */
  constructor(readonly isOneFolder: boolean) {}

  add(entry: DirectoryEntry, snapshot: Snapshot): void {
    const { type, objectId, modifiedNs, mode } = entry
    const key = type === 'd' && this.isOneFolder ? 'd' : `${type} ${objectId} ${modifiedNs} ${mode}`
    const version = this.#versions.get(key)
    if (!version) this.#versions.set(key, { entry, snapshots: [snapshot] })
    else {
      version.entry = entry
      version.snapshots.push(snapshot)
    }
  }

  /** Newest first, by the latest snapshot of each. */
  versions(): Version[] {
    const last = (v: Version) => v.snapshots.at(-1)?.startNs ?? 0n
    return [...this.#versions.values()].sort((a, b) => (last(a) > last(b) ? -1 : last(a) < last(b) ? 1 : 0))
  }
}
