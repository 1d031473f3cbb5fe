import { fileKind } from '#fuse/abi.ts'
import type { ByteName } from '#fuse/operations.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { formatSource } from '#snapshot/model/source-text.ts'
import { type LiveRow, LiveTable, splitNs } from './live-table.ts'
import { byteName, snapshotName, uniqueNames } from './names.ts'
import { foreverSeconds } from './table.ts'

interface Owner {
  readonly uid: number
  readonly gid: number
}

const latestName = 'latest'

/** Start of the newest of them. */
export const newest = (snapshots: readonly Snapshot[]): bigint => snapshots.reduce((time, s) => (s.startNs > time ? s.startNs : time), 0n)

/** The generations of one source, oldest first, and `latest` behind them. */
export function generationRows(snapshots: readonly Snapshot[], owner: Owner): LiveRow[] {
  const ids = snapshots.map((s) => s.id)
  const byId = new Map(snapshots.map((s) => [s.id, s]))
  const ordered = ids.toSorted() // names of snapshots that began in the same second depend on nothing else
  const unique = uniqueNames(ordered, (id) => {
    const s = byId.get(id) as Snapshot
    return snapshotName(s.startNs, s.incomplete)
  })
  const nameOf = new Map(ordered.map((id, i) => [id, byteName(unique[i] as string)]))
  const rows = snapshots.map((s) => rootRow(nameOf.get(s.id) as string, s.id, s.rootEntry as DirectoryEntry, formatSource(s.source)))
  const complete = snapshots.findLast((s) => !s.incomplete)
  if (complete !== undefined) rows.push(latestRow(nameOf.get(complete.id) as string, complete, owner))
  return rows
}

/** A snapshot's root under a name. `key` tells it from another one under the same name. */
export function rootRow(name: ByteName, key: string, entry: DirectoryEntry, source?: string): LiveRow {
  const isDirectory = entry.type === 'd'
  return {
    name,
    key,
    source,
    target: isDirectory
      ? { kind: 'directory', objectId: entry.objectId }
      : entry.type === 's'
        ? { kind: 'link', objectId: entry.objectId }
        : { kind: 'file', objectId: entry.objectId, sizeBytes: entry.sizeBytes },
    mode: (isDirectory ? fileKind.directory : entry.type === 's' ? fileKind.symlink : fileKind.regular) | entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    sizeBytes: entry.sizeBytes,
    ...splitNs(entry.modifiedNs),
    cacheSeconds: 1,
  }
}

/** Long enough that a program which goes through a long list by paths with `latest` in them does not ask for it at each; it is told of changes. */
const latestSeconds = 0.2

function latestRow(target: ByteName, snapshot: Snapshot, owner: Owner): LiveRow {
  return {
    name: latestName,
    key: `latest ${target}`,
    target: { kind: 'link', objectId: '', text: Buffer.from(target, 'latin1') },
    mode: fileKind.symlink | 0o777,
    uid: owner.uid,
    gid: owner.gid,
    sizeBytes: target.length,
    ...splitNs(snapshot.startNs),
    cacheSeconds: latestSeconds,
  }
}

/** The one row above the root of a mount; its node is the root node. */
export function anchor(row: LiveRow): LiveTable {
  const table = new LiveTable(0, 1, 1)
  table.update([{ ...row, cacheSeconds: row.target.kind === 'directory' && row.target.table === undefined ? foreverSeconds : 1 }])
  return table
}
