import { describe, expect, test } from 'vitest'
import type { Clock } from '#base/clock.ts'
import { ControlLevels } from '#mount/control-levels.ts'
import { LiveLevels } from '#mount/live-levels.ts'
import { SnapshotLevels, type Stale } from '#mount/snapshot-levels.ts'
import type { Table } from '#mount/table.ts'
import { Tables } from '#mount/tables.ts'
import { Versions } from '#mount/versions.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { FolderRepository } from '../mount/support/folder-repository.ts'

const folder = new FolderRepository()
const root = { name: 'r', type: 'd', mode: 0o755, sizeBytes: 0, modifiedNs: 0n, uid: 0, gid: 0, objectId: 'kroot' as ObjectId }
const snapshot = (path: string, seconds: number, incomplete?: string, user = 'u'): Snapshot =>
  folder.addSnapshot(root, { user, host: 'h', path }, BigInt(seconds) * 1_000_000_000n, incomplete)

const levels = (): { levels: SnapshotLevels; tables: Tables } => {
  const tables = new Tables(async () => [], { maxIdleDirectories: 1, maxIdleEntries: 1, timeoutMs: 60_000 })
  const control = new ControlLevels({ uid: 0, gid: 0 }, { templates: [], versions: new Versions(async () => []) })
  return { levels: new SnapshotLevels(tables, { uid: 0, gid: 0 }, undefined, control), tables }
}
const names = (table: Table): string[] => Array.from({ length: table.rows.length }, (_, i) => `${table.nameOf(table.rows.at(i))}`)
const below = (table: Table, name: string): Table => {
  const target = table.target(table.find(name))
  if (target.kind !== 'directory' || target.table === undefined) throw new Error(`${name} is no grouping directory`)
  return target.table
}

describe('the upper levels', () => {
  test('group by client and source; generations are oldest first, latest is the newest complete one', () => {
    const { levels: l } = levels()
    l.update([snapshot('/a', 100), snapshot('/a', 50), snapshot('/a', 200, 'canceled'), snapshot('/', 1, undefined, 'v')])
    expect(names(l.root)).toEqual(['u@h', 'v@h'])
    expect(names(below(l.root, 'v@h'))).toEqual(['__root'])
    const generations = below(below(l.root, 'u@h'), 'a')
    expect(names(generations)).toEqual(['19700101-000050', '19700101-000140', '19700101-000320 (canceled)', 'latest'])
    const latest = generations.target(generations.find('latest'))
    expect(latest.kind === 'link' && Buffer.from(latest.text ?? []).toString()).toBe('19700101-000140')
  })

  test('have no latest while nothing is complete', () => {
    const { levels: l } = levels()
    l.update([snapshot('/a', 1, 'checkpoint')])
    expect(names(below(below(l.root, 'u@h'), 'a'))).toEqual(['19700101-000001 (checkpoint)'])
  })

  test('tell apart sources with the same safe name, and snapshots of the same second', () => {
    const { levels: l } = levels()
    l.update([snapshot('/a_b', 1), snapshot('/a/b', 1), snapshot('/a/b', 1)])
    const client = below(l.root, 'u@h')
    expect(names(client).sort()).toEqual(['a_b', 'a_b (2)'])
    expect(names(below(client, 'a_b')).sort()).toEqual(['19700101-000001', '19700101-000001 (2)', 'latest'])
  })

  test('keep the node of what stays, and name what the kernel must ask for again', () => {
    const { levels: l } = levels()
    const first = snapshot('/a', 10)
    l.update([first])
    const table = below(below(l.root, 'u@h'), 'a')
    const row = table.find('19700101-000010')
    const here = (stale: readonly Stale[]): string[] =>
      stale
        .filter((c) => c.table === table)
        .map((c) => c.name)
        .sort()
    const changed = l.update([first, snapshot('/a', 20)])
    expect(below(below(l.root, 'u@h'), 'a')).toBe(table)
    expect(table.find('19700101-000010')).toBe(row)
    expect(here(changed)).toEqual(['19700101-000020', 'latest'])
    expect(l.nodeOf(table as never)).toBeGreaterThan(1)
    expect(here(l.update([first]))).toEqual(['19700101-000020', 'latest'])
    expect(table.find('19700101-000020')).toBe(-1)
  })

  test('have every snapshot under its ID in a hidden directory', () => {
    const { levels: l } = levels()
    const all = [snapshot('/a', 10), snapshot('/b', 10, 'canceled')]
    l.update(all)
    expect(names(l.root)).toEqual(['u@h'])
    const byId = below(below(l.root, '.kura'), 'by-id')
    expect(names(byId).sort()).toEqual(all.map((s) => s.id).sort())
    expect(byId.target(byId.find((all[0] as Snapshot).id))).toEqual({ kind: 'directory', objectId: 'kroot' })
  })

  test('keep an open listing as it was', () => {
    const { levels: l } = levels()
    l.update([snapshot('/a', 10)])
    const { rows } = l.root
    l.update([])
    expect(rows.length).toBe(1)
    expect(l.root.nameOf(rows.at(0))).toBe('u@h')
  })
})

describe('looking for news', () => {
  const make = () => {
    let nowMs = 0
    const clock: Clock = { nowMs: () => nowMs, nowNs: () => 0n }
    const repository = new FolderRepository()
    const changes: number[] = []
    const errors: unknown[] = []
    const real = repository.repository
    let refresh = async (): Promise<void> => undefined
    const live = new LiveLevels(Object.assign(real, { refresh: () => refresh() }), {
      refreshMs: 3_000,
      waitMs: 20,
      clock,
      onChange: (snapshots) => changes.push(snapshots.length),
      onError: (error) => errors.push(error),
    })
    return {
      live,
      repository,
      changes,
      errors,
      pass: (ms: number) => {
        nowMs += ms
      },
      onRefresh: (f: () => Promise<void>) => {
        refresh = f
      },
    }
  }

  test('happens at visits, not more often than asked for, and tells only of changes', async () => {
    const t = make()
    await t.live.start()
    expect(t.changes).toEqual([0])
    expect(t.live.visit()).toBeUndefined()
    t.pass(3_000)
    await t.live.visit()
    expect(t.changes).toEqual([0])
    t.repository.addSnapshot(root, { user: 'u', host: 'h', path: '/a' }, 1n)
    expect(t.live.visit()).toBeUndefined()
    t.pass(3_000)
    await Promise.all([t.live.visit(), t.live.visit()])
    expect(t.changes).toEqual([0, 1])
  })

  test('that fails leaves what was there and is told once', async () => {
    const t = make()
    await t.live.start()
    t.onRefresh(() => Promise.reject(new Error('offline')))
    for (let i = 0; i < 3; i++) {
      t.pass(3_000)
      await t.live.visit()
    }
    expect(t.errors.length).toBe(1)
    expect(t.changes).toEqual([0])
  })

  test('that takes long does not keep the visitor', async () => {
    const t = make()
    await t.live.start()
    t.onRefresh(() => new Promise(() => undefined))
    t.pass(3_000)
    await t.live.visit()
    expect(t.changes).toEqual([0])
  })
})
