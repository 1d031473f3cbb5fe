import { fileKind } from '#fuse/abi.ts'
import type { ByteName } from '#fuse/operations.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { groupBySource, type SourceGroup } from '#snapshot/model/snapshots.ts'
import { formatSource } from '#snapshot/model/source-text.ts'
import { groupRow, type LiveRow, type LiveTable } from './live-table.ts'
import { byteName, safeName, uniqueNames } from './names.ts'
import { newest, rootRow } from './snapshot-rows.ts'
import { foreverSeconds } from './table.ts'
import { type Versions, versionsId, versionsRevision } from './versions.ts'
import { usualViews, type ViewFolder, viewTree } from './views.ts'

interface Owner {
  readonly uid: number
  readonly gid: number
}

/** How the levels make a grouping folder and put rows into it. */
export interface Grouping {
  group(parent: LiveTable, name: ByteName): LiveTable
  apply(table: LiveTable, rows: readonly LiveRow[]): void
}

/** What `.kura/` shows of snapshots. */
export interface ControlViews {
  /** Templates besides the usual ones. */
  readonly templates: readonly string[]
  readonly versions: Versions
  /** Empty files in the root that tell indexers to stay out. */
  readonly hasMarkers?: boolean
}

const versionsName = 'versions'
/** Tracker and Android's media scanner, which others have taken over. */
const markerNames = ['.trackerignore', '.nomedia'] as const

/** Other ways to the snapshots, in `.kura/`: by ID, tag and time, by templates of the person, and all versions of each file
 *  (spec 08, 1.3). */
export class ControlLevels {
  constructor(
    private readonly owner: Owner,
    private readonly views: ControlViews,
  ) {}

  /** Rows of the root besides the snapshots. */
  markers(): LiveRow[] {
    return this.views.hasMarkers === true ? markerNames.map((name) => emptyFileRow(name, this.owner)) : []
  }

  update(control: LiveTable, snapshots: readonly Snapshot[], grouping: Grouping): void {
    const tree = viewTree([...usualViews, ...this.views.templates], snapshots)
    this.views.versions.update(snapshots)
    this.#folder(control, tree, grouping, [this.#versions(control, snapshots, grouping)])
  }

  /** Returns how new the newest snapshot below is. */
  #folder(table: LiveTable, { folders, snapshots }: ViewFolder, grouping: Grouping, more: readonly LiveRow[] = []): bigint {
    let newestNs = newest([...snapshots.values()])
    const rows = [...folders].map(([name, below]) => {
      const inner = grouping.group(table, byteName(name))
      const innerNs = this.#folder(inner, below, grouping)
      if (innerNs > newestNs) newestNs = innerNs
      return groupRow(byteName(name), inner, innerNs, this.owner)
    })
    const leaves = [...snapshots].map(([name, s]) => rootRow(byteName(name), s.id, s.rootEntry as DirectoryEntry, formatSource(s.source)))
    grouping.apply(table, [...rows, ...leaves, ...more])
    return newestNs
  }

  #versions(control: LiveTable, snapshots: readonly Snapshot[], grouping: Grouping): LiveRow {
    const versions = grouping.group(control, versionsName)
    const clients = new Map<string, SourceGroup[]>()
    for (const group of groupBySource(snapshots)) {
      if (group.snapshots.at(-1)?.rootEntry?.type !== 'd') continue
      const client = `${group.source.user}@${group.source.host}`
      clients.set(client, [...(clients.get(client) ?? []), group])
    }
    const names = uniqueNames([...clients.keys()], safeName)
    const rows = [...clients.values()].map((groups, i) => {
      const name = byteName(names[i] as string)
      const table = grouping.group(versions, name)
      const sources = uniqueNames(
        groups.map((g) => g.source.path),
        safeName,
      )
      grouping.apply(
        table,
        groups.map((g, n) => sourceRow(byteName(sources[n] as string), g, versionsRevision(g.source, groups))),
      )
      return groupRow(name, table, newest(groups.flatMap((g) => g.snapshots)), this.owner)
    })
    grouping.apply(versions, rows)
    return groupRow(versionsName, versions, newest(snapshots), this.owner)
  }
}

const emptyFileRow = (name: ByteName, { uid, gid }: Owner): LiveRow => ({
  name,
  key: 'empty',
  target: { kind: 'file', objectId: '', sizeBytes: 0 },
  mode: fileKind.regular | 0o444,
  uid,
  gid,
  sizeBytes: 0,
  modifiedSeconds: 0,
  modifiedNs: 0,
  cacheSeconds: foreverSeconds,
})

/** With other snapshots it is another folder: what is in a folder of versions never changes. */
function sourceRow(name: ByteName, { source, snapshots }: SourceGroup, revision: string): LiveRow {
  const entry = snapshots.at(-1)?.rootEntry as DirectoryEntry
  const objectId = versionsId({ source, names: [], isFile: false })
  return { ...rootRow(name, `versions ${revision}`, { ...entry, objectId }), isMerged: true }
}
