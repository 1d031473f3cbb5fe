import { mkdtempSync, readdirSync, rmSync, type Stats, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest'
import { nativeAddon } from '#base/native.ts'
import { common, gapsIn, spoolRange, zeroRange } from '#mount/staging/extents.ts'
import { discardStaging, inspectStaging, listStagings } from '#mount/staging/inspect.ts'
import { openStaging } from '#mount/staging/open.ts'
import type { LowerTree, Staging, StagingOptions } from '#mount/staging/staging.ts'
import { emptyAttributes } from '#mount/table.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'

const owner = { uid: 1, gid: 2 }
const entry = (name: string, type: string, objectId: string, sizeBytes = 0): DirectoryEntry => ({
  name,
  type,
  mode: type === 'd' ? 0o755 : 0o644,
  sizeBytes,
  modifiedNs: 1_700_000_000_123_456_789n,
  uid: 5,
  gid: 6,
  objectId: objectId as ObjectId,
})

const directories: Record<string, DirectoryEntry[]> = {
  kroot: [entry('a', 'f', 'fa', 10), entry('sub', 'd', 'ksub')],
  ksub: [entry('b', 'f', 'fb', 5), entry('deep', 'd', 'kdeep')],
  kdeep: [],
}
const objects: Record<string, string> = { fa: '0123456789', fb: 'hello' }
const lowerTree: LowerTree = {
  readDirectory: async (id) => directories[id] as DirectoryEntry[],
  read: (id, offset, size) => Buffer.from(objects[id] as string).subarray(offset, offset + size),
}

let folder: string
let staging: Staging
let warnings: string[]
const options = (): StagingOptions => ({
  directory: folder,
  repositoryId: 'r',
  source: 'u@h:/p',
  lower: { snapshotId: 's', rootObject: 'kroot' as ObjectId, root: entry('', 'd', 'kroot') },
  xattrs: 'refuse',
  spoolLimitBytes: 1 << 20,
  spoolReserveBytes: 0,
  owner,
  takeOver: false,
  firstNode: 2 ** 32,
  nowNs: () => 1_800_000_000_000_000_001n,
  warn: (line) => warnings.push(line),
})

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kura-staging-'))
  warnings = []
  staging = await openStaging(options(), lowerTree)
})
afterEach(async () => {
  await staging.close().catch(() => undefined)
  rmSync(folder, { recursive: true, force: true })
})

describe('space of the spool', () => {
  const spoolFile = (): Stats => {
    const [path] = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /^[0-9a-f]{2}\//.test(name))
    return statSync(join(folder, path as string))
  }

  it.skipIf(nativeAddon()?.punchHole === undefined)('comes back when a hole is punched, and what lies around it stays', async () => {
    const node = await staging.make(staging.root, 'big', 0o100644, owner)
    await staging.write(node, 0, Buffer.alloc(900_000, 7), false)
    await staging.syncAll()
    const before = staging.usage()
    await staging.allocate(node, 100_000, 600_000, 3)
    await staging.allocate(node, 800_000, 100_000, 3)
    await staging.syncAll()
    expect(spoolFile().blocks * 512).toBeLessThan(240_000)
    expect(spoolFile().size).toBe(800_000)
    expect(before.spoolUsedBytes - staging.usage().spoolUsedBytes).toBeGreaterThan(650_000)
    const bytes = await staging.read(node, 0, 900_000)
    expect([bytes[99_999], bytes[100_000], bytes[699_999], bytes[700_000], bytes[799_999], bytes[800_000]]).toEqual([7, 0, 0, 7, 7, 0])
  })

  it('that is written again before it was given back stays', async () => {
    const node = await staging.make(staging.root, 'big', 0o100644, owner)
    await staging.write(node, 0, Buffer.alloc(900_000, 7), false)
    await staging.allocate(node, 0, 500_000, 3)
    const syncing = staging.syncAll()
    await staging.write(node, 200_000, Buffer.alloc(100_000, 8), false)
    await syncing
    await staging.syncAll()
    const bytes = await staging.read(node, 0, 900_000)
    expect([bytes[199_999], bytes[200_000], bytes[299_999], bytes[300_000], bytes[500_000]]).toEqual([0, 8, 8, 0, 7])
  })
})

test('gaps between the bytes of a spool file, and what lists of them have in common', () => {
  const ranges = [spoolRange(10, 10, 1), zeroRange(20, 5), spoolRange(25, 5, 1), spoolRange(30, 5, 2), spoolRange(40, 2, 1)]
  expect(gapsIn(ranges, 1)).toEqual([
    [0, 10],
    [20, 25],
    [30, 40],
  ])
  expect(gapsIn(undefined, 1)).toEqual([])
  const others = [
    [5, 22],
    [24, 33],
    [35, 50],
  ] as const
  expect(common(gapsIn(ranges, 1), others)).toEqual([
    [5, 10],
    [20, 22],
    [24, 25],
    [30, 33],
    [35, 40],
  ])
})

async function walk(at: Staging, directory = at.root, path = '', into: Record<string, string> = {}): Promise<Record<string, string>> {
  for (const { name } of await at.list(directory)) {
    const node = (await at.lookup(directory, name)) as number
    const a = emptyAttributes()
    at.attributes(node, a)
    const kind = a.mode & 0o170000
    const body = kind === 0o100000 ? Buffer.from(await at.read(node, 0, 1 << 20)).toString('latin1') : ''
    into[`${path}/${name}`] = `${a.mode.toString(8)} ${a.uid} ${a.modifiedSeconds}.${a.modifiedNs} ${a.sizeBytes} ${body}`
    if (kind === 0o040000) await walk(at, node, `${path}/${name}`, into)
  }
  return into
}

const errnoOfCall = async (run: () => unknown): Promise<number | undefined> => {
  try {
    await run()
    return undefined
  } catch (error) {
    return (error as { errno?: number }).errno
  }
}
const reopen = async (): Promise<void> => {
  await staging.close()
  staging = await openStaging(options(), lowerTree)
}

describe('the staging area', () => {
  it('changes one byte of a lower file and keeps the rest of it', async () => {
    const a = (await staging.lookup(staging.root, 'a')) as number
    await staging.write(a, 3, Buffer.from('X'), false)
    expect(Buffer.from(await staging.read(a, 0, 99)).toString()).toBe('012X456789')
    expect(staging.usage().dirtyBytes).toBe(1)
  })

  it('renames a lower directory as a whole and comes back with it', async () => {
    await staging.rename(staging.root, 'sub', staging.root, 'moved', 0)
    const before = await walk(staging)
    expect(Object.keys(before).sort()).toEqual(['/a', '/moved', '/moved/b', '/moved/deep'])
    await reopen()
    expect(await walk(staging)).toEqual(before)
  })

  it('refuses to move a directory into itself, to remove a full one, and to make a name twice', async () => {
    const sub = (await staging.lookup(staging.root, 'sub')) as number
    const deep = (await staging.lookup(sub, 'deep')) as number
    expect(await errnoOfCall(() => staging.rename(staging.root, 'sub', deep, 'x', 0))).toBe(22)
    expect(await errnoOfCall(() => staging.removeDirectory(staging.root, 'sub'))).toBe(39)
    expect(await errnoOfCall(() => staging.make(staging.root, 'a', 0o100644, owner))).toBe(17)
    expect(await errnoOfCall(() => staging.make(staging.root, '\xff', 0o100644, owner))).toBe(84)
  })

  it('does not lose an open file whose name was removed', async () => {
    const f = await staging.make(staging.root, 'f', 0o100600, owner)
    staging.opened(f, true)
    await staging.write(f, 0, Buffer.from('kept'), false)
    await staging.unlink(staging.root, 'f')
    expect(Buffer.from(await staging.read(f, 0, 9)).toString()).toBe('kept')
    expect(await staging.lookup(staging.root, 'f')).toBeUndefined()
    staging.closed(f, true)
    expect(await errnoOfCall(() => staging.read(f, 0, 1))).toBe(116)
  })

  it('says ENOSPC when the spool is full, while removing still works', async () => {
    const f = await staging.make(staging.root, 'f', 0o100600, owner)
    await staging.write(f, 0, Buffer.alloc(1 << 20), false)
    expect(await errnoOfCall(() => staging.write(f, 1 << 20, Buffer.alloc(1), false))).toBe(28)
    await staging.unlink(staging.root, 'f')
    await staging.make(staging.root, 'g', 0o100600, owner)
  })

  it('can be looked at and discarded without a mount, but not discarded under one', async () => {
    await staging.write((await staging.lookup(staging.root, 'a')) as number, 0, Buffer.from('xyz'), false)
    expect(() => discardStaging(folder)).toThrow('in use')
    await staging.close()
    expect(inspectStaging(folder)).toMatchObject({ source: 'u@h:/p', lowerSnapshotId: 's', dirtyBytes: 3, unreadableBytes: 0 })
    expect(listStagings(join(folder, '..'))).toContain(folder)
    discardStaging(folder)
    expect(listStagings(join(folder, '..'))).not.toContain(folder)
  })

  it('is refused to a second process', async () => {
    await expect(openStaging(options(), lowerTree)).rejects.toThrow('in use by process')
  })

  it('freezes one moment, and stands on the snapshot that was made of it', async () => {
    const f = await staging.make(staging.root, 'f', 0o100600, owner)
    await staging.write(f, 0, Buffer.from('before'), false)
    const point = staging.freeze()
    await staging.write(f, 0, Buffer.from('AF'), false)
    const frozen = [...point.root.changes()].find(([name]) => name === 'f')?.[1]
    if (frozen === undefined || !('kind' in frozen) || frozen.kind !== 'file') throw new Error('f is not in the flush point')
    expect(Buffer.from(await frozen.read(0, 99)).toString()).toBe('before')
    directories.knew = [...(directories.kroot as DirectoryEntry[]), entry('f', 'f', 'ff', 6)]
    objects.ff = 'before'
    const made = new Map([[f, entry('f', 'f', 'ff', 6)]])
    await point.commit({ snapshotId: 's2', rootObject: 'knew' as ObjectId, objects: made })
    expect(Buffer.from(await staging.read(f, 0, 99)).toString()).toBe('AFfore')
    expect(staging.usage().dirtyBytes).toBe(2)
    const before = await walk(staging)
    await reopen()
    expect(await walk(staging)).toEqual(before)
    expect(staging.lower?.snapshotId).toBe('s2')
  })
})
