import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { memoryStorage, type StoredBlob } from '#repo/blob/memory.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import { logged, type StorageCall } from '#repo/blob/wrap/log.ts'
import type { ObjectId } from '#repo/object/object.ts'
import { defaultCaching } from '#repo/repository/caching-options.ts'
import { createRepository } from '#repo/repository/create.ts'
import { openRepositoryDirectly } from '#repo/repository/open.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { walkTree } from '#snapshot/tree/repository-tree.ts'
import { fastKey } from '../support/fast-key.ts'
import { scratchFolders } from '../support/scratch.ts'
import { contentBytes } from '../support/source-tree.ts'
import { rootOf, upload } from './memory-repository.ts'

const scratch = scratchFolders()
const blobs = new Map<string, StoredBlob>()
const password = 'test-password'
let root: DirectoryEntry
let calls: StorageCall[] = []

const far = (): BlobStorage => logged((call) => calls.push(call))(memoryStorage(undefined, blobs))

async function open(cacheDirectory: string): Promise<DirectRepository> {
  const client = { hostname: 'host', username: 'user' }
  return openRepositoryDirectly(far(), password, { deriveKey: fastKey, client, caching: { ...defaultCaching, cacheDirectory } })
}

const requests = (): StorageCall[] => calls.filter((call) => call.operation !== 'close')
const gotten = (): StorageCall[] => calls.filter((call) => call.operation === 'get')

async function walk(repository: DirectRepository): Promise<number> {
  let count = 0
  for await (const _ of walkTree(repository, root)) count++
  return count
}

beforeAll(async () => {
  await createRepository(memoryStorage(undefined, blobs), { splitter: 'FIXED-128K', deriveKey: fastKey }, password)
  const source = scratch()
  for (let folder = 0; folder < 20; folder++) {
    mkdirSync(join(source, `folder-${folder}`))
    for (let file = 0; file < 30; file++)
      writeFileSync(
        join(source, `folder-${folder}`, `file-${file}`),
        contentBytes({ gen: 'random', seed: folder * 100 + file, size: 3000 }),
      )
  }
  writeFileSync(join(source, 'large'), contentBytes({ gen: 'random', seed: 9999, size: 3_000_000 }))
  const repository = await open(scratch())
  root = rootOf((await upload(repository, source)).snapshot)
  await repository.flush()
  await repository.close()
})

describe('a repository far away', () => {
  test('is walked with few requests, and again with none', async () => {
    const cache = scratch()
    const first = await open(cache)
    calls = []
    expect(await walk(first)).toBe(622)
    // Directories lie together in metadata packs, which are kept whole.
    expect(requests().length).toBeLessThanOrEqual(3)
    calls = []
    expect(await walk(first)).toBe(622)
    expect(requests()).toEqual([])
    await first.close()
    calls = []
    const second = await open(cache)
    const opening = requests().length
    expect(await walk(second)).toBe(622)
    expect(requests().length).toBe(opening)
    expect(gotten().filter((call) => /^[pqnx]/.test(call.blob ?? ''))).toEqual([])
    await second.close()
  })

  test('gives a small file by one range of its pack, and from the cache the second time', async () => {
    const repository = await open(scratch())
    const entries = new Map<string, DirectoryEntry>()
    for await (const { path, entry } of walkTree(repository, root)) entries.set(path, entry)
    calls = []
    const id = entries.get('folder-3/file-7')?.objectId as ObjectId
    expect(await repository.objects.readAll(id)).toHaveLength(3000)
    expect(gotten()).toHaveLength(1)
    expect(gotten()[0]?.range?.length).toBeLessThan(4000)
    calls = []
    await repository.objects.readAll(id)
    expect(requests()).toEqual([])
    await repository.close()
  })

  test('gives the middle of a large file by ranges near it', async () => {
    const repository = await open(scratch())
    const entries = new Map<string, DirectoryEntry>()
    for await (const { path, entry } of walkTree(repository, root)) entries.set(path, entry)
    calls = []
    const reader = await repository.objects.open(entries.get('large')?.objectId as ObjectId)
    const into = Buffer.alloc(1000)
    await reader.read(into, 1_500_000)
    await reader.close()
    const bytes = gotten().reduce((sum, call) => sum + (call.sizeBytes ?? 0), 0)
    expect(
      gotten()
        .filter((call) => call.blob?.startsWith('p'))
        .every((call) => call.range !== undefined),
    ).toBe(true)
    expect(bytes).toBeLessThan(600_000)
    await repository.close()
  })
})
