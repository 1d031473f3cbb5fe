import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { listSnapshots, saveSnapshot } from '#snapshot/model/snapshots.ts'
import { findEntries } from '#snapshot/search/find.ts'
import { pathHistory } from '#snapshot/search/history.ts'
import { createSnapshot } from '#snapshot/upload/create.ts'
import { scratchFolders } from '../../support/scratch.ts'
import { memoryRepository, Watcher } from '../memory-repository.ts'

const scratch = scratchFolders()
let repository: DirectRepository
let path: string
let directoryReads: number

const take = (at: string, second: number) =>
  createSnapshot(
    repository,
    { source: { user: 'user', host: 'host', path: at }, localPath: at, startNs: BigInt(second) * 1_000_000_000n },
    new Watcher(),
  )

/** Snapshots 1, 2 with one version of the file, 3 with another, 4 without; 5 of the folder below. */
beforeAll(async () => {
  ;({ repository } = await memoryRepository())
  path = scratch()
  mkdirSync(join(path, 'a/b'), { recursive: true })
  mkdirSync(join(path, 'still/file.d'), { recursive: true })
  writeFileSync(join(path, 'still/other.txt'), 'other')
  const file = join(path, 'a/b/file.txt')
  const write = (text: string, second: number) => {
    writeFileSync(file, text)
    utimesSync(file, second, second)
  }
  write('one', 100)
  await take(path, 1)
  await take(path, 2)
  write('three', 300)
  await take(path, 3)
  rmSync(file)
  await take(path, 4)
  write('one', 100)
  await take(join(path, 'a'), 5)
  const readAll = repository.objects.readAll.bind(repository.objects)
  repository.objects.readAll = (id: ObjectId, most?: number) => {
    if (id.startsWith('k')) directoryReads++
    return readAll(id, most)
  }
})

const seconds = (list: readonly { readonly startNs: bigint }[]) => list.map((s) => Number(s.startNs / 1_000_000_000n))

describe('find', () => {
  it('gives every path with its versions and the snapshots that hold them', async () => {
    const found = await findEntries(repository, { snapshots: await listSnapshots(repository), matches: (e) => e.name.startsWith('file') })
    expect(found.map((f) => [f.source.path, f.path, f.versions.map((v) => [v.entry.sizeBytes, seconds(v.snapshots)])])).toEqual([
      [
        path,
        'a/b/file.txt',
        [
          [5, [3]],
          [3, [1, 2]],
        ],
      ],
      [path, 'still/file.d', [[0, [1, 2, 3, 4]]]],
      [join(path, 'a'), 'b/file.txt', [[3, [5]]]],
    ])
  })

  it('finds the source itself, and takes a folder that changes for one', async () => {
    const found = await findEntries(repository, {
      snapshots: await listSnapshots(repository),
      matches: (e) => e.type === 'd' && e.name === 'a',
    })
    expect(found.map((f) => [f.path, f.versions.map((v) => seconds(v.snapshots))])).toEqual([
      ['a', [[1, 2, 3, 4]]],
      ['', [[5]]],
    ])
  })

  it('reads each directory once, and a thousand equal snapshots as fast as one', async () => {
    const all = await listSnapshots(repository)
    const many = Array.from({ length: 1000 }, (_, i) => ({ ...(all[i % 3] as (typeof all)[0]), id: `id${i}`, startNs: BigInt(i) }))
    directoryReads = 0
    const found = await findEntries(repository, { snapshots: many, matches: (e) => e.name === 'file.txt' })
    expect(found[0]?.versions.map((v) => v.snapshots.length)).toEqual([667, 333])
    // Two states of the root, of a and of a/b; still and still/file.d.
    expect(directoryReads).toBe(8)
  })

  it('tells of what it cannot read, and finds the rest', async () => {
    const all = await listSnapshots(repository)
    const first = all[0] as (typeof all)[0]
    const lost = {
      ...first,
      rootEntry: { ...(first.rootEntry as NonNullable<typeof first.rootEntry>), objectId: `k${'0'.repeat(32)}` as ObjectId },
    }
    const unreadable: string[] = []
    const found = await findEntries(repository, {
      snapshots: [lost, ...all.slice(1)],
      matches: (e) => e.name === 'file.txt',
      onUnreadable: (id) => unreadable.push(id),
    })
    expect(unreadable).toEqual([`k${'0'.repeat(32)}`])
    expect(found).toHaveLength(2)
  })
})

describe('history', () => {
  const at = (more: string) => ({ user: 'user', host: 'host', path: join(path, more) })

  it('gathers the versions of a path from the snapshots of all folders above it', async () => {
    const { versions, without } = await pathHistory(repository, at('a/b/file.txt'))
    expect(versions.map((v) => [v.entry.sizeBytes, seconds(v.snapshots)])).toEqual([
      [3, [1, 2, 5]],
      [5, [3]],
    ])
    expect(without).toEqual([])
  })

  it('says since when a path is gone', async () => {
    const [only] = (await listSnapshots(repository)).slice(-1)
    if (!only) throw new Error('none')
    await repository.manifests.delete(only.id)
    const { versions, without } = await pathHistory(repository, at('a/b/file.txt'))
    expect(versions.map((v) => seconds(v.snapshots))).toEqual([[3], [1, 2]])
    expect(seconds(without)).toEqual([4])
    await saveSnapshot(repository, only)
  })

  it('has nothing to say of a path that never was, or that was a file on the way', async () => {
    expect(await pathHistory(repository, at('none'))).toMatchObject({ versions: [] })
    expect((await pathHistory(repository, at('a/b/file.txt/below'))).versions).toEqual([])
    expect(await pathHistory(repository, { user: 'user', host: 'host', path: '/elsewhere' })).toEqual({
      versions: [],
      snapshots: [],
      without: [],
    })
  })

  it('reads a directory that snapshots share once', async () => {
    directoryReads = 0
    await pathHistory(repository, at('still/other.txt'))
    expect(directoryReads).toBe(4)
  })
})
