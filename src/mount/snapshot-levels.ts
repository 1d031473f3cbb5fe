import { type ByteName, rootNode } from '#fuse/operations.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { groupBySource, type SourceGroup } from '#snapshot/model/snapshots.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { sameSource } from '#snapshot/model/source-text.ts'
import type { ControlLevels } from './control-levels.ts'
import { inodeOf } from './inode.ts'
import { groupRow, type LiveRow, LiveTable } from './live-table.ts'
import { byteName, safeName, uniqueNames } from './names.ts'
import { generationRows, newest } from './snapshot-rows.ts'
import { nodeId } from './table.ts'
import type { Tables } from './tables.ts'

/** A name that the kernel must look up again, in the directory with that table. */
export interface Stale {
  readonly table: LiveTable
  readonly name: ByteName
}

interface Owner {
  readonly uid: number
  readonly gid: number
}

/** Other ways to the snapshots: hidden, so that recursive tools do not walk all of them twice (spec 08, 1.3). */
const controlName = '.kura'

/** The levels above the snapshots: `user@host`, source, time (spec 03, 6.8; spec 08, 1.3). Follows the list of snapshots it is given. */
export class SnapshotLevels {
  readonly root: LiveTable
  /** Start of the newest snapshot. */
  newestNs = 0n
  private readonly groups = new Map<string, LiveTable>()
  private readonly places = new Map<LiveTable, { readonly parent: LiveTable; readonly name: ByteName }>()

  /** With `source`, the root shows the generations of that one alone. */
  constructor(
    private readonly tables: Tables,
    private readonly owner: Owner,
    private readonly source?: SourceInfo,
    private readonly control?: ControlLevels,
  ) {
    this.root = new LiveTable(this.tables.takeSerial(), 1, 1)
    tables.add(this.root)
  }

  /** Makes the levels show these snapshots; returns what the kernel must ask for again. */
  update(snapshots: readonly Snapshot[]): Stale[] {
    const stale: Stale[] = []
    const { source } = this
    this.newestNs = newest(snapshots)
    const shown = snapshots.filter((s) => s.rootEntry !== undefined && (source === undefined || sameSource(s.source, source)))
    if (source !== undefined) {
      this.apply(this.root, generationRows(shown, this.owner), stale)
      return stale
    }
    const byClient = new Map<string, SourceGroup[]>()
    for (const group of groupBySource(shown)) {
      const client = `${group.source.user}@${group.source.host}`
      byClient.set(client, [...(byClient.get(client) ?? []), group])
    }
    const clients = [...byClient.keys()]
    const names = uniqueNames(clients, safeName).map(byteName)
    const rows = clients.map((client, i) => this.clientRow(names[i] as string, byClient.get(client) as SourceGroup[], stale))
    const { control } = this
    this.apply(this.root, control ? [...rows, ...control.markers(), this.controlRow(control, shown, stale)] : rows, stale)
    return stale
  }

  private controlRow(control: ControlLevels, snapshots: readonly Snapshot[], stale: Stale[]): LiveRow {
    const table = this.group(this.root, controlName)
    control.update(table, snapshots, {
      group: (parent, name) => this.group(parent, name),
      apply: (changed, rows) => this.apply(changed, rows, stale),
    })
    return { ...groupRow(controlName, table, newest(snapshots), this.owner), isHidden: true }
  }

  /** The node of a grouping directory, as the kernel knows it; undefined when it is gone. */
  nodeOf(table: LiveTable): number | undefined {
    if (table === this.root) return rootNode
    const place = this.places.get(table)
    const row = place === undefined ? -1 : place.parent.find(place.name)
    return place === undefined || row < 0 ? undefined : nodeId(place.parent.serial, row)
  }

  private clientRow(name: ByteName, groups: readonly SourceGroup[], stale: Stale[]): LiveRow {
    const table = this.group(this.root, name)
    const paths = groups.map((g) => g.source.path)
    const names = uniqueNames(paths, safeName).map(byteName)
    const rows = groups.map((g, i) => this.sourceRow(table, names[i] as string, g, stale))
    this.apply(table, rows, stale)
    return groupRow(name, table, newest(groups.flatMap((g) => g.snapshots)), this.owner)
  }

  private sourceRow(parent: LiveTable, name: ByteName, { snapshots }: SourceGroup, stale: Stale[]): LiveRow {
    const table = this.group(parent, name)
    this.apply(table, generationRows(snapshots, this.owner), stale)
    return groupRow(name, table, newest(snapshots), this.owner)
  }

  /** The table of a grouping directory: the same one as long as the mount lives, so that its node stays what it was. */
  private group(parent: LiveTable, name: ByteName): LiveTable {
    const key = `${parent.serial}/${name}`
    let table = this.groups.get(key)
    if (table === undefined) {
      table = new LiveTable(this.tables.takeSerial(), inodeOf(parent.inode, name), parent.inode)
      this.tables.add(table)
      this.groups.set(key, table)
      this.places.set(table, { parent, name })
    }
    return table
  }

  private apply(table: LiveTable, rows: readonly LiveRow[], stale: Stale[]): void {
    for (const name of table.update(rows)) stale.push({ table, name })
  }
}
