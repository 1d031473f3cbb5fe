import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CancelledError } from '#base/errors.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { type MigrateRequest, migratePolicy, migrateSource } from '#snapshot/migrate/migrate.ts'
import { listSnapshots, saveSnapshot } from '#snapshot/model/snapshots.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { emptyPolicy } from '#snapshot/policy/defaults.ts'
import { getPolicy, setPolicy } from '#snapshot/policy/store.ts'
import { createSnapshot } from '#snapshot/upload/create.ts'
import { scratchFolders } from '../../support/scratch.ts'
import { contentOf, memoryRepository, rootOf, treeOf, Watcher } from '../memory-repository.ts'

const scratch = scratchFolders()

async function setup() {
  const { repository: from, blobs } = await memoryRepository()
  const { repository: to } = await memoryRepository({ splitter: 'FIXED-1M' })
  const path = scratch()
  mkdirSync(join(path, 'sub/deep'), { recursive: true })
  writeFileSync(join(path, 'sub/deep/file'), 'file')
  writeFileSync(join(path, 'empty'), '')
  writeFileSync(join(path, 'big'), Buffer.alloc(3_000_000, 'pattern of the big file'))
  symlinkSync('sub', join(path, 'link'))
  utimesSync(join(path, 'sub'), 1000, 1000)
  const source = { user: 'user', host: 'host', path }
  const take = (startNs: bigint) =>
    createSnapshot(
      from,
      { source, localPath: path, startNs, endNs: startNs + 5n, description: 'd', pins: ['p'], tags: { 'tag:a': 'b' } },
      new Watcher(),
    )
  await take(1_000_000_000n)
  writeFileSync(join(path, 'new'), 'new')
  await take(2_000_000_000n)
  await from.flush()
  return { from, to, source, path, blobs }
}

async function migrate(from: DirectRepository, to: DirectRepository, source: SourceInfo, more: Partial<MigrateRequest> = {}) {
  const steps: string[] = []
  const files: string[] = []
  const count = await migrateSource({
    from,
    to,
    source,
    latestOnly: false,
    appliesRules: false,
    parallel: 4,
    onSnapshot: (s, what) => steps.push(`${what} ${s.startNs / 1_000_000_000n}`),
    onFile: (path) => files.push(path),
    ...more,
  })
  await to.flush()
  return { count, steps, files: files.sort(), snapshots: await listSnapshots(to) }
}

describe('migrating snapshots', () => {
  it('copies trees with all attributes, times and description, and reads every file once', async () => {
    const { from, to, source } = await setup()
    const { count, files, snapshots } = await migrate(from, to, source)
    expect(count).toBe(2)
    expect(files).toEqual(['big', 'empty', 'link', 'new', 'sub/deep/file'])
    const originals = await listSnapshots(from)
    for (const [i, s] of snapshots.entries()) {
      const original = originals[i]
      if (!original) throw new Error('one too many')
      expect(s).toMatchObject({ source, startNs: original.startNs, endNs: original.endNs, description: 'd', pins: [], tags: {} })
      const [now, before] = [await treeOf(to, rootOf(s)), await treeOf(from, rootOf(original))]
      expect([...now.keys()].sort()).toEqual([...before.keys()].sort())
      for (const [path, entry] of before) {
        const { objectId: _, ...attributes } = entry
        expect(now.get(path)).toMatchObject(attributes)
        if (entry.type !== 'd') expect((await contentOf(to, now.get(path))).equals(await contentOf(from, entry))).toBe(true)
      }
    }
  })

  it('passes over what is there already and what is incomplete, and goes on from the last one', async () => {
    const { from, to, source } = await setup()
    await migrate(from, to, source)
    const [first] = await listSnapshots(from)
    if (!first) throw new Error('none')
    await saveSnapshot(from, { ...first, startNs: 3_000_000_000n, incomplete: 'canceled' })
    await saveSnapshot(from, { ...first, startNs: 4_000_000_000n })
    const again = await migrate(from, to, source)
    expect(again.steps).toEqual(['present 1', 'present 2', 'incomplete 3', 'copying 4'])
    expect(again.files).toEqual([])
    expect((await migrate(from, to, source)).count).toBe(0)
  })

  it('takes only the latest one when told to', async () => {
    const { from, to, source } = await setup()
    expect((await migrate(from, to, source, { latestOnly: true })).snapshots.map((s) => s.startNs)).toEqual([2_000_000_000n])
  })

  it('applies ignore rules of the target only when told to', async () => {
    const { from, to, source, path } = await setup()
    writeFileSync(join(path, 'sub/.kopiaignore'), 'deep\n')
    await createSnapshot(from, { source, localPath: path, startNs: 3_000_000_000n }, new Watcher())
    await setPolicy(to, source, { ...emptyPolicy, files: { ignore: ['big'] } })
    const plain = await migrate(from, to, source)
    expect((await treeOf(to, rootOf(plain.snapshots[2] as never))).has('big')).toBe(true)
    const { repository: other } = await memoryRepository()
    await setPolicy(other, source, { ...emptyPolicy, files: { ignore: ['big'] } })
    const ruled = await migrate(from, other, source, { appliesRules: true })
    const tree = await treeOf(other, rootOf(ruled.snapshots[2] as never))
    expect([...tree.keys()].sort()).toEqual(['', 'empty', 'link', 'new', 'sub', 'sub/.kopiaignore'])
  })

  it('leaves out a file that cannot be read, and says so in the snapshot', async () => {
    const { from, to, source } = await setup()
    const [last] = (await listSnapshots(from)).slice(-1)
    const failures: string[] = []
    const bad = (await treeOf(from, rootOf(last as never))).get('new')?.objectId
    const open = from.objects.open.bind(from.objects)
    from.objects.open = (id) => (id === bad ? Promise.reject(new Error('gone')) : open(id))
    const { snapshots } = await migrate(from, to, source, { onFailure: (_, path) => failures.push(path) })
    expect(failures).toEqual(['new'])
    expect(rootOf(snapshots[1] as never).summary).toMatchObject({ fatalErrorCount: 1, errors: [{ path: 'new', error: 'gone' }] })
  })

  it('saves nothing of a snapshot in the middle of which it is cancelled', async () => {
    const { from, to, source } = await setup()
    const abort = new AbortController()
    await expect(migrate(from, to, source, { signal: abort.signal, onFile: () => abort.abort() })).rejects.toThrow(CancelledError)
    expect(await listSnapshots(to)).toEqual([])
  })

  it('keeps what is on its way reachable by checkpoints, which go in the end', async () => {
    const { from, to, source } = await setup()
    const open = from.objects.open.bind(from.objects)
    const slowly = async (id: Parameters<typeof open>[0]) => {
      await new Promise((r) => setTimeout(r, 40))
      return open(id)
    }
    from.objects.open = slowly
    let seen = 0
    const flush = to.flush.bind(to)
    to.flush = async () => {
      await flush()
      seen += (await listSnapshots(to)).filter((s) => s.incomplete === 'checkpoint').length
    }
    const { snapshots } = await migrate(from, to, source, { checkpointIntervalMs: 5, parallel: 1 })
    expect(seen).toBeGreaterThan(0)
    expect(snapshots.map((s) => s.incomplete)).toEqual([undefined, undefined])
  })
})

it('migrating a policy replaces one only when told to', async () => {
  const { from, to, source } = await setup()
  expect(await migratePolicy(from, to, source, false)).toBe(false)
  await setPolicy(from, source, { ...emptyPolicy, retention: { keepLatest: 3 } })
  expect(await migratePolicy(from, to, source, false)).toBe(true)
  await setPolicy(from, source, { ...emptyPolicy, retention: { keepLatest: 4 } })
  expect(await migratePolicy(from, to, source, false)).toBe(false)
  expect((await getPolicy(to, source))?.policy.retention.keepLatest).toBe(3)
  expect(await migratePolicy(from, to, source, true)).toBe(true)
  expect((await getPolicy(to, source))?.policy.retention.keepLatest).toBe(4)
})
