import { fileKind } from '#fuse/abi.ts'
import type { ByteName } from '#fuse/operations.ts'
import { inodeOf } from './inode.ts'
import { type MutableAttributes, maxRows, type RowList, type RowTarget, setSize, setTimes, type Table } from './table.ts'

/** One child of a directory that changes while it is mounted. */
export interface LiveRow {
  readonly name: ByteName
  /** Equal keys = the same thing as before; a changed key makes a new node. */
  readonly key: string
  /** `user@host:path` of a snapshot's root. */
  readonly source?: string | undefined
  readonly target: RowTarget
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly sizeBytes: number
  readonly modifiedSeconds: number
  readonly modifiedNs: number
  /** What lies below never changes, and the name stays what it is until the table says otherwise. */
  readonly cacheSeconds: number
  /** Can be opened by name, but is in no listing: what walks the tree does not meet it. */
  readonly isHidden?: boolean
  /** What lies below is made of several snapshots: it has no place in one. */
  readonly isMerged?: boolean
}

/** Children that come and go: the levels above the snapshots. Rows that are gone keep answering for those who still hold them. */
export class LiveTable implements Table {
  private readonly all: LiveRow[] = []
  private readonly lookups: number[] = []
  private current: readonly number[] = []
  private byName = new Map<ByteName, number>()
  private known = 0

  constructor(
    readonly serial: number,
    readonly inode: number,
    readonly parentInode: number,
  ) {}

  /** Takes over the wanted rows; returns the names whose cached entries are wrong now. */
  update(wanted: readonly LiveRow[]): ByteName[] {
    const changed: ByteName[] = []
    const byName = new Map<ByteName, number>()
    const current: number[] = []
    for (const row of wanted) {
      const before = this.byName.get(row.name)
      let number = before
      if (before === undefined || this.all[before]?.key !== row.key) {
        if (this.all.length >= maxRows) continue
        number = this.all.push(row) - 1
        this.lookups.push(0)
        changed.push(row.name)
      }
      byName.set(row.name, number as number)
      if (row.isHidden !== true) current.push(number as number)
    }
    for (const name of this.byName.keys()) if (!byName.has(name)) changed.push(name)
    this.byName = byName
    this.current = current
    return changed
  }

  get rows(): RowList {
    const frozen = this.current
    return { length: frozen.length, at: (i) => frozen[i] as number }
  }

  get isKnown(): boolean {
    return this.known > 0
  }

  cacheSeconds(row: number): number {
    return this.all[row]?.cacheSeconds ?? 0
  }

  find(name: ByteName): number {
    return this.byName.get(name) ?? -1
  }

  nameOf(row: number): ByteName {
    return this.all[row]?.name ?? ''
  }

  remember(row: number): void {
    this.lookups[row] = (this.lookups[row] ?? 0) + 1
    this.known++
  }

  forget(row: number, count: number): void {
    const taken = Math.min(count, this.lookups[row] ?? 0)
    if (taken === 0) return
    this.lookups[row] = (this.lookups[row] as number) - taken
    this.known -= taken
  }

  attributes(row: number, into: MutableAttributes): void {
    const it = this.all[row] as LiveRow
    into.inode = this.inodeAt(row)
    into.mode = it.mode
    into.linkCount = 1
    into.uid = it.uid
    into.gid = it.gid
    setSize(into, (it.mode & fileKind.mask) === fileKind.directory, it.sizeBytes)
    setTimes(into, it.modifiedSeconds, it.modifiedNs)
  }

  inodeAt(row: number): number {
    const it = this.all[row] as LiveRow
    return it.target.kind === 'directory' && it.target.table !== undefined ? it.target.table.inode : inodeOf(this.inode, it.name)
  }

  target(row: number): RowTarget {
    return (this.all[row] as LiveRow).target
  }

  isMerged(row: number): boolean {
    return this.all[row]?.isMerged === true
  }

  sourceOf(row: number): string | undefined {
    return this.all[row]?.source
  }
}

/** A live row for a directory that only groups others: 0555, as old as what is in it. */
export function groupRow(name: ByteName, table: Table, modifiedNs: bigint, owner: { uid: number; gid: number }): LiveRow {
  return {
    name,
    key: `group ${table.serial}`,
    target: { kind: 'directory', objectId: '', table },
    mode: fileKind.directory | 0o555,
    uid: owner.uid,
    gid: owner.gid,
    sizeBytes: 4096,
    ...splitNs(modifiedNs),
    cacheSeconds: 1,
  }
}

export function splitNs(ns: bigint): { readonly modifiedSeconds: number; readonly modifiedNs: number } {
  const seconds = ns / 1_000_000_000n
  const rest = Number(ns % 1_000_000_000n)
  return rest < 0
    ? { modifiedSeconds: Number(seconds) - 1, modifiedNs: rest + 1_000_000_000 }
    : { modifiedSeconds: Number(seconds), modifiedNs: rest }
}
