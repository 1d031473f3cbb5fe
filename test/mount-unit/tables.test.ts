import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anchor, rootRow } from '#mount/snapshot-rows.ts'
import { StoredTable } from '#mount/stored-table.ts'
import { emptyAttributes, nodeId, rowOf, serialOf, type Table } from '#mount/table.ts'
import { Tables } from '#mount/tables.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'

const file = (name: string, more: Partial<DirectoryEntry> = {}): DirectoryEntry => ({
  name,
  type: 'f',
  mode: 0o640,
  sizeBytes: 1000,
  modifiedNs: 1_700_000_000_000_000_001n,
  uid: 1,
  gid: 2,
  objectId: 'aa' as ObjectId,
  ...more,
})
const folder = (name: string, objectId: string): DirectoryEntry => file(name, { type: 'd', mode: 0o755, objectId: objectId as ObjectId })

describe('a stored table', () => {
  test('finds each name and no other', () => {
    const names = fc.uniqueArray(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }), { maxLength: 60 })
    fc.assert(
      fc.property(names, (all) => {
        const shown = all.filter((n) => !n.includes('/') && !n.includes('\0') && n !== '.' && n !== '..')
        const table = new StoredTable(
          1,
          99,
          1,
          all.map((n) => file(n)),
        )
        expect(table.rows.length).toBe(shown.length)
        shown.forEach((n, row) => {
          const bytes = Buffer.from(n).toString('latin1')
          expect(table.find(bytes)).toBe(row)
          expect(Buffer.from(table.nameOf(row)).toString('latin1')).toBe(bytes)
        })
        expect(table.find('not there, ever')).toBe(-1)
      }),
    )
  })

  test('keeps attributes, times before 1970 included', () => {
    const table = new StoredTable(1, 99, 1, [file('a', { modifiedNs: -1n, sizeBytes: 5e9, mode: 0o4755 }), folder('d', 'kd')])
    const a = emptyAttributes()
    table.attributes(0, a)
    expect(a).toMatchObject({
      modifiedSeconds: -1,
      modifiedNs: 999_999_999,
      sizeBytes: 5e9,
      blocks: 9_765_625,
      mode: 0o104755,
      uid: 1,
      gid: 2,
    })
    table.attributes(1, a)
    expect(a).toMatchObject({ sizeBytes: 4096, blocks: 8, mode: 0o040755, linkCount: 1 })
    expect(table.target(1)).toEqual({ kind: 'directory', objectId: 'kd' })
    expect(table.target(0)).toEqual({ kind: 'file', objectId: 'aa', sizeBytes: 5e9 })
  })

  test('leaves out names that cannot be shown', () => {
    expect(new StoredTable(1, 9, 1, [file('..'), file('.'), file(''), file('a/b'), file('ok')]).rows.length).toBe(1)
  })
})

test('node IDs lead back to their table and row', () => {
  for (const [serial, row] of [
    [0, 0],
    [1, 0],
    [3, 16_777_213],
    [2 ** 28, 5],
  ] as const) {
    const node = nodeId(serial, row)
    expect([serialOf(node), rowOf(node), Number.isSafeInteger(node)]).toEqual([serial, row, true])
  }
  expect(nodeId(0, 0)).toBe(1)
})

describe('the set of tables', () => {
  const make = (maxIdleDirectories = 2) => {
    const reads: string[] = []
    const broken = new Set<string>()
    const tables = new Tables(
      async (id) => {
        reads.push(id)
        if (broken.has(id)) throw new Error('damaged')
        return id === 'kroot' ? Array.from({ length: 10 }, (_, i) => folder(`d${i}`, `k${i}`)) : [file('f')]
      },
      { maxIdleDirectories, maxIdleEntries: 1_000, timeoutMs: 60_000 },
    )
    tables.add(anchor(rootRow('', 'x', folder('root', 'kroot'))))
    const root = async (): Promise<Table> => tables.childrenOf(tables.locate(1).table, 0)
    return { tables, reads, broken, root }
  }

  test('reads a directory once for all who come at the same time', async () => {
    const { reads, root } = make()
    const [a, b] = await Promise.all([root(), root()])
    expect(a).toBe(b)
    expect(reads).toEqual(['kroot'])
  })

  test('keeps what the kernel knows and drops the oldest of what nobody uses', async () => {
    const { tables, reads, root } = make(2)
    const top = await root()
    const nodes: number[] = []
    for (let row = 0; row < 10; row++) {
      const table = await tables.childrenOf(top, row)
      tables.remember(table, 0)
      nodes.push(nodeId(table.serial, 0))
    }
    expect(tables.directoryCount).toBe(11)
    for (const node of nodes) tables.forget(node, 1)
    expect(tables.directoryCount).toBe(3)
    expect(() => tables.locate(nodes[0] as number)).toThrow()
    expect(tables.locate(nodes[9] as number).row).toBe(0)
    await tables.childrenOf(top, 0)
    expect(reads.filter((id) => id === 'k0').length).toBe(2)
  })

  test('forgets no node that is known, whatever is forgotten twice', async () => {
    const { tables, root } = make(0)
    const top = await root()
    const table = await tables.childrenOf(top, 0)
    tables.remember(table, 0)
    tables.remember(table, 0)
    tables.forget(nodeId(table.serial, 0), 1)
    await tables.childrenOf(top, 1)
    await tables.childrenOf(top, 2)
    expect(tables.locate(nodeId(table.serial, 0)).table).toBe(table)
    tables.forget(nodeId(table.serial, 0), 5)
    await tables.childrenOf(top, 3)
    expect(() => tables.locate(nodeId(table.serial, 0))).toThrow()
  })

  test('keeps the table of an open listing', async () => {
    const { tables, root } = make(0)
    const top = await root()
    const table = await tables.childrenOf(top, 0)
    tables.hold(table)
    for (let row = 1; row < 5; row++) await tables.childrenOf(top, row)
    expect(await tables.childrenOf(top, 0)).toBe(table)
    tables.release(table)
    await tables.childrenOf(top, 6)
    expect(await tables.childrenOf(top, 0)).not.toBe(table)
  })

  test('takes back a table that was dropped before its visitor came', async () => {
    const { tables, root } = make(0)
    const top = await root()
    const [first, second] = await Promise.all([tables.childrenOf(top, 0), tables.childrenOf(top, 1)])
    await tables.childrenOf(top, 2)
    tables.remember(first, 0)
    tables.remember(second, 0)
    expect(tables.locate(nodeId(first.serial, 0)).table).toBe(first)
    expect(tables.locate(nodeId(second.serial, 0)).table).toBe(second)
    expect(tables.locate(nodeId(top.serial, 0)).table).toBe(top)
    expect(await tables.childrenOf(top, 0)).toBe(first)
  })

  test('tries a directory that could not be read again at the next visit', async () => {
    const { tables, reads, broken, root } = make()
    const top = await root()
    broken.add('k4')
    await expect(tables.childrenOf(top, 4)).rejects.toThrow('damaged')
    broken.clear()
    expect((await tables.childrenOf(top, 4)).rows.length).toBe(1)
    expect(reads.filter((id) => id === 'k4').length).toBe(2)
  })
})
