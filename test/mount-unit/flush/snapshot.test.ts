import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type FlushOptions, flushToSnapshot } from '#mount/flush/snapshot.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { listSnapshots } from '#snapshot/model/snapshots.ts'
import { emptyPolicy } from '#snapshot/policy/defaults.ts'
import { setPolicy } from '#snapshot/policy/store.ts'
import { createSnapshot } from '#snapshot/upload/create.ts'
import { memoryRepository } from '../../snapshot/memory-repository.ts'
import { LocalPoint } from './local-point.ts'

let folder: string
let repository: DirectRepository
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kura-flush-'))
  repository = (await memoryRepository()).repository
  mkdirSync(join(folder, 'docs/deep'), { recursive: true })
  mkdirSync(join(folder, 'same/below'), { recursive: true })
  writeFileSync(join(folder, 'docs/a.txt'), 'a')
  writeFileSync(join(folder, 'docs/deep/b.bin'), randomBytes(700_000))
  writeFileSync(join(folder, 'same/below/c'), 'c')
  writeFileSync(join(folder, 'same/d'), 'd')
  writeFileSync(join(folder, 'größe'), 'utf-8')
  symlinkSync('docs/a.txt', join(folder, 'link'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const source = () => ({ user: 'user', host: 'host', path: folder })
const options = (lowerId: string | undefined): FlushOptions => ({
  source: source(),
  description: '',
  tags: {},
  pins: [],
  keepRubbish: false,
  lowerId,
  keepIdentical: false,
})

async function create(): Promise<Snapshot> {
  const { snapshot } = await createSnapshot(repository, { source: source(), localPath: folder }, {})
  await repository.flush()
  return snapshot
}

async function flush(lower: Snapshot | undefined) {
  const point = await LocalPoint.of(repository, folder, lower?.rootEntry?.objectId as ObjectId | undefined)
  const result = await flushToSnapshot(repository, point, options(lower?.id))
  return { point, ...result }
}

function change(): void {
  writeFileSync(join(folder, 'docs/deep/b.bin'), randomBytes(900_000))
  writeFileSync(join(folder, 'docs/new'), 'new')
  rmSync(join(folder, 'docs/a.txt'))
  mkdirSync(join(folder, 'empty'))
}

describe('a flush', () => {
  it('of a new tree has the root of a snapshot made of the same folder', async () => {
    const { snapshot } = await flush(undefined)
    expect(snapshot.rootEntry).toEqual((await create()).rootEntry)
  })

  it('of changes has the root of a snapshot made of the same folder, and reads only what has changed', async () => {
    const lower = await create()
    change()
    const { snapshot, point } = await flush(lower)
    expect(point.reads.toSorted()).toEqual([join(folder, 'docs/deep/b.bin'), join(folder, 'docs/new')])
    expect(point.committed).toEqual(expect.objectContaining({ snapshotId: snapshot.id, rootObject: snapshot.rootEntry?.objectId }))
    expect(snapshot.rootEntry).toEqual((await create()).rootEntry)
  })

  it('keeps the snapshot that it stands on, whatever retention says: a kill may leave the changes standing on it', async () => {
    const only = { keepLatest: 1, keepHourly: 0, keepDaily: 0, keepWeekly: 0, keepMonthly: 0, keepAnnual: 0 }
    await setPolicy(repository, source(), { ...emptyPolicy, retention: only })
    const lower = await create()
    const ids = async (): Promise<string[]> => (await listSnapshots(repository, { source: source() })).map((s) => s.id)
    change()
    const { snapshot: first } = await flush(lower)
    writeFileSync(join(folder, 'docs/new'), 'newer')
    const { snapshot: second } = await flush(lower)
    expect(await ids()).toEqual([lower.id, second.id])
    expect(first.id).not.toBe(second.id)
    writeFileSync(join(folder, 'docs/new'), 'newest')
    const { snapshot: third } = await flush(second)
    expect(await ids()).toEqual([second.id, third.id])
  })

  it('of nothing changed saves nothing', async () => {
    const lower = await create()
    const { snapshot, isIdentical } = await flush(lower)
    expect(isIdentical).toBe(true)
    expect(snapshot.id).toBe(lower.id)
  })

  it('obeys ignore rules that came later, below unchanged folders too', async () => {
    const lower = await create()
    await setPolicy(repository, source(), { ...emptyPolicy, files: { ignore: ['below'] } })
    await repository.flush()
    const { snapshot } = await flush(lower)
    expect(snapshot.rootEntry).toEqual((await create()).rootEntry)
    expect(snapshot.rootEntry?.summary?.directoryCount).toBe(4)
  })

  it('obeys a new ignore file', async () => {
    const lower = await create()
    writeFileSync(join(folder, '.kopiaignore'), 'below\n*.bin\n')
    const { snapshot } = await flush(lower)
    expect(snapshot.rootEntry).toEqual((await create()).rootEntry)
  })

  it('takes a renamed folder over', async () => {
    const lower = await create()
    renameSync(join(folder, 'same'), join(folder, 'moved'))
    const { snapshot } = await flush(lower)
    expect(snapshot.rootEntry).toEqual((await create()).rootEntry)
  })

  it('leaves rubbish out unless told to keep it', async () => {
    writeFileSync(join(folder, '.a.swp'), 'x')
    const { snapshot } = await flush(undefined)
    expect(snapshot.rootEntry?.summary?.fileCount).toBe(5)
    expect(snapshot.stats.excludedFileCount).toBe(1)
  })

  it('that fails gives the flush point up and leaves no snapshot', async () => {
    const lower = await create()
    change()
    const point = await LocalPoint.of(repository, folder, lower.rootEntry?.objectId as ObjectId)
    const failing = { ...repository, flush: () => Promise.reject(new Error('storage full')) }
    Object.setPrototypeOf(failing, Object.getPrototypeOf(repository))
    await expect(flushToSnapshot(failing, point, options(lower.id))).rejects.toThrow('storage full')
    expect(point.abandoned).toBe(1)
    expect(point.committed).toBeUndefined()
    expect(await repository.manifests.find({ type: 'snapshot' })).toHaveLength(1)
  })

  it('tells of a snapshot that somebody else made meanwhile', async () => {
    const lower = await create()
    change()
    const other = await create()
    expect((await flush(lower)).concurrentId).toBe(other.id)
  })
})
