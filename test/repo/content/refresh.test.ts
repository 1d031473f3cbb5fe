import { expect, test } from 'vitest'
import { BlobNotFoundError, StorageError } from '#repo/blob/errors.ts'
import { memoryStorage, type StoredBlob } from '#repo/blob/memory.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import type { ContentId } from '#repo/content/content-id.ts'
import { data, namesOf, openTestStore, TestClock } from './rig.ts'

const quarterMs = 15 * 60_000

async function filled() {
  const blobs = new Map<string, StoredBlob>()
  const writer = await openTestStore(memoryStorage(undefined, blobs))
  const id = await writer.put(data('old'))
  await writer.flush()
  return { blobs, writer, id }
}

const withGet = (blobs: Map<string, StoredBlob>, before: (id: string) => void): BlobStorage => {
  const inner = memoryStorage(undefined, blobs)
  const get: BlobStorage['get'] = async (id, range) => {
    before(id)
    return inner.get(id, range)
  }
  return Object.assign(Object.create(inner), { get }) as BlobStorage
}

test('after a quarter of an hour the next question loads the indexes again, once for all who ask', async () => {
  const { blobs, writer } = await filled()
  const clock = new TestClock(Date.now())
  let lists = 0
  const inner = memoryStorage(undefined, blobs)
  const list: BlobStorage['list'] = (prefix) => {
    if (prefix === 'xw') lists++
    return inner.list(prefix)
  }
  const reader = await openTestStore(Object.assign(Object.create(inner), { list }) as BlobStorage, { clock })
  const id = await writer.put(data('new'))
  await writer.flush()
  expect(await reader.isPresent(id)).toBe(false)
  clock.ms += 2 * quarterMs
  const before = lists
  expect(await Promise.all(Array.from({ length: 20 }, () => reader.isPresent(id)))).toEqual(Array(20).fill(true))
  expect(lists - before).toBe(1)
})

test('with automatic refresh off only an explicit one shows what is new', async () => {
  const { blobs, writer } = await filled()
  const clock = new TestClock(Date.now())
  const reader = await openTestStore(memoryStorage(undefined, blobs), { clock, autoRefresh: false })
  const id = await writer.put(data('new'))
  await writer.flush()
  clock.ms += 2 * quarterMs
  expect(await reader.isPresent(id)).toBe(false)
  await reader.refresh()
  expect(await reader.isPresent(id)).toBe(true)
})

test('contents that are known are read without waiting for indexes that cannot be refreshed', async () => {
  const { blobs, id } = await filled()
  const clock = new TestClock(Date.now())
  const inner = memoryStorage(undefined, blobs)
  let broken = false
  async function* list(prefix: string) {
    if (broken) throw new StorageError('unreachable')
    yield* inner.list(prefix)
  }
  const reader = await openTestStore(Object.assign(Object.create(inner), { list }) as BlobStorage, { clock })
  broken = true
  clock.ms += 2 * quarterMs
  expect((await reader.get(id)).toString()).toBe('old')
  const unknown = reader.get('ff'.repeat(16) as ContentId)
  await Promise.all([expect(unknown).rejects.toThrow('unreachable'), reader.close()])
})

test('an index blob that vanishes between listing and reading is not missed: the set is listed again', async () => {
  const { blobs, id } = await filled()
  let failures = 2
  const storage = withGet(blobs, (name) => {
    if (name.startsWith('xn') && failures-- > 0) throw new BlobNotFoundError(name)
  })
  const reader = await openTestStore(storage)
  expect((await reader.get(id)).toString()).toBe('old')
})

test('an index blob that the storage refuses to give is an error, and skipped only in permissive mode', async () => {
  const { blobs } = await filled()
  const storage = withGet(blobs, (name) => {
    if (name.startsWith('xn')) throw new StorageError('forbidden')
  })
  await expect(openTestStore(storage)).rejects.toThrow('forbidden')
  const warnings: string[] = []
  const reader = await openTestStore(storage, { permissive: true, warn: (message) => warnings.push(message) })
  expect([warnings.length, reader.activeIndexes.length]).toEqual([1, 0])
})

test('a content that another client moved to a new pack is found there', async () => {
  const { blobs, id } = await filled()
  const reader = await openTestStore(memoryStorage(undefined, blobs))
  const mover = await openTestStore(memoryStorage(undefined, blobs))
  const old = mover.info(id)?.packBlob as string
  await mover.rewrite(id)
  await mover.flush()
  blobs.delete(old)
  expect((await reader.get(id as ContentId)).toString()).toBe('old')
  expect((await namesOf(memoryStorage(undefined, blobs), 'p')).length).toBe(1)
})
