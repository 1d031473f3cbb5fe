import { afterEach, beforeEach, expect, test } from 'vitest'
import { StorageFullError } from '#repo/blob/errors.ts'
import { memoryStorage, type StoredBlob } from '#repo/blob/memory.ts'
import type { BlobInfo, PutOptions } from '#repo/blob/storage.ts'
import { ForwardingStorage } from '#repo/blob/wrap/forward.ts'
import { fullSafety, noSafety } from '#repo/maintenance/safety.ts'
import type { ObjectId } from '#repo/object/object.ts'
import { createRepository } from '#repo/repository/create.ts'
import { openRepositoryDirectly } from '#repo/repository/open.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { makeRoom, type RoomRequest } from '#snapshot/gc/room.ts'
import { spaceHeldBy } from '#snapshot/gc/space.ts'
import { deleteSnapshot, loadSnapshot, saveSnapshot } from '#snapshot/model/snapshots.ts'
import { fastKey } from '../../support/fast-key.ts'

const password = 'test-password'
const blobs = new Map<string, StoredBlob>()
let limitBytes = Number.POSITIVE_INFINITY
let repository: DirectRepository

const usedBytes = (): number => [...blobs.values()].reduce((sum, { data }) => sum + data.length, 0)

/** A disk that ends at `limitBytes`. */
class SmallDisk extends ForwardingStorage {
  override put(id: string, parts: readonly Uint8Array[], options?: PutOptions): Promise<BlobInfo> {
    const size = parts.reduce((sum, part) => sum + part.length, 0)
    if (usedBytes() + size > limitBytes) return Promise.reject(new StorageFullError('no space left'))
    return super.put(id, parts, options)
  }
}

beforeEach(async () => {
  blobs.clear()
  limitBytes = Number.POSITIVE_INFINITY
  await createRepository(memoryStorage(undefined, blobs), { splitter: 'FIXED-128K', deriveKey: fastKey }, password)
  const storage = new SmallDisk(memoryStorage(undefined, blobs))
  repository = await openRepositoryDirectly(storage, password, { deriveKey: fastKey, client: { hostname: 'host', username: 'user' } })
})
afterEach(() => repository.close())

const nothing = { totalBytes: 0, excludedBytes: 0, fileCount: 0, cachedFileCount: 0, nonCachedFileCount: 0, directoryCount: 0 }
const stats = { ...nothing, excludedFileCount: 0, excludedDirectoryCount: 0, ignoredErrorCount: 0, errorCount: 0 }

/** A snapshot of one file of 100 KB, in packs of its own. */
async function snapshot(byte: number): Promise<{ id: string; file: ObjectId }> {
  const options = { prefix: '', compressor: '', metadataCompressor: '', splitter: '' }
  const [file] = (await repository.objects.writeMany([{ data: Buffer.alloc(100_000, byte), options }])) as [ObjectId]
  const rootEntry = { name: 'f', type: 'f', mode: 0o644, sizeBytes: 100_000, modifiedNs: 0n, uid: 0, gid: 0, objectId: file }
  const source = { user: 'user', host: 'host', path: '/f' }
  const startNs = BigInt(byte)
  const id = await saveSnapshot(repository, {
    id: '',
    source,
    description: '',
    startNs,
    endNs: startNs,
    stats,
    rootEntry,
    tags: {},
    pins: [],
  })
  await repository.flush()
  return { id, file }
}

const room = async (change: Partial<RoomRequest> = {}): Promise<string[]> => {
  const freed: string[] = []
  await makeRoom(repository, { safety: fullSafety, doomed: [], isAlone: false, onFreed: (what) => freed.push(what), ...change })
  return freed
}

test('a snapshot can be deleted on a disk that is full to the last byte: its own data makes the room', async () => {
  const first = await snapshot(1)
  const second = await snapshot(2)
  limitBytes = usedBytes()
  await deleteSnapshot(repository, first.id)
  await expect(repository.flush()).rejects.toThrow(StorageFullError)
  const packs = new Set([...blobs.keys()].filter((n) => n.startsWith('p')))
  expect(await room({ doomed: [await loadStored(first.id)] })).toEqual(['a pack with 1 contents that no snapshot needs'])
  const gone = [...packs].filter((n) => !blobs.has(n))
  expect(gone).toHaveLength(1)
  await repository.flush()
  expect((await repository.objects.readAll(second.file)).length).toBe(100_000)
  expect(repository.contents.info(first.file as string as never)?.deleted).toBe(true)
  // Nobody counts on what is gone: the same data is stored again.
  limitBytes = Number.POSITIVE_INFINITY
  const again = await snapshot(1)
  expect((await repository.objects.readAll(again.file)).length).toBe(100_000)
})

/** As another client sees it: here it is deleted already. */
async function loadStored(id: string) {
  const other = await openRepositoryDirectly(memoryStorage(undefined, blobs), password, { deriveKey: fastKey })
  const found = await loadSnapshot(other, id)
  await other.close()
  return found
}

test('logs go first, then packs that no index names, and nothing that any snapshot needs', async () => {
  const kept = await snapshot(1)
  blobs.set('_log_20260101000000_aa_1_2_3_00', { data: Buffer.alloc(100), modifiedMs: 0 })
  blobs.set('p00000000000000000000000000000000-s1', { data: Buffer.alloc(100), modifiedMs: Date.now() })
  expect(await room()).toEqual(['stored logs'])
  expect(await room()).toEqual([])
  expect(blobs.has('p00000000000000000000000000000000-s1')).toBe(true)
  expect(await room({ safety: noSafety, isAlone: true })).toEqual(['packs that no index names'])
  expect(await room({ safety: noSafety, isAlone: true })).toEqual([])
  expect((await repository.objects.readAll(kept.file)).length).toBe(100_000)
})

test('no pack with an index goes while another session is open', async () => {
  const { id } = await snapshot(1)
  const doomed = [await loadSnapshot(repository, id)]
  const other = await openRepositoryDirectly(memoryStorage(undefined, blobs), password, { deriveKey: fastKey })
  await other.contents.put({ prefix: '', data: Buffer.from('x'), compressionHeader: 0 })
  expect(await room({ doomed })).toEqual([])
  await other.close()
})

test('the space that a snapshot holds is told apart from what it shares', async () => {
  const first = await snapshot(1)
  const second = await snapshot(1)
  const third = await snapshot(3)
  const load = (id: string) => loadSnapshot(repository, id)
  const shared = await spaceHeldBy(repository, [await load(first.id)])
  expect(shared).toMatchObject({ aloneCount: 0, aloneBytes: 0 })
  expect(shared?.sharedBytes).toBeGreaterThan(100_000)
  expect(await spaceHeldBy(repository, [await load(first.id), await load(second.id)])).toMatchObject({ aloneCount: 1, sharedBytes: 0 })
  expect(await spaceHeldBy(repository, [await load(third.id)])).toMatchObject({ aloneCount: 1, sharedBytes: 0 })
})
