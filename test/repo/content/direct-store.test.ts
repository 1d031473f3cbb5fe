import { expect, test } from 'vitest'
import { memoryStorage, type StoredBlob } from '#repo/blob/memory.ts'
import { type ContentId, contentKey } from '#repo/content/content-id.ts'
import { allIds, prefixedIds } from '#repo/content/content-info.ts'
import { ContentNotFoundError } from '#repo/content/errors.ts'
import { data, namesOf, openTestStore, TestClock, testFormat } from './rig.ts'

test('what was put is read before a flush, after it, and by the next to open the repository', async () => {
  const storage = memoryStorage()
  const store = await openTestStore(storage)
  const ids = await store.putMany([data('hello'), data(''), data('directory', 'k'), data('x'.repeat(10_000), 'm', 0x1101)])
  expect((await store.get(ids[0] as ContentId)).toString()).toBe('hello')
  await store.flush()
  for (const reader of [store, await openTestStore(storage)]) {
    expect((await reader.get(ids[0] as ContentId)).toString()).toBe('hello')
    expect((await reader.get(ids[1] as ContentId)).length).toBe(0)
    expect((await reader.get(ids[2] as ContentId)).toString()).toBe('directory')
    expect((await reader.get(ids[3] as ContentId)).toString()).toBe('x'.repeat(10_000))
    expect(reader.info(ids[3] as ContentId)).toMatchObject({ compressionHeader: 0x1101, originalLength: 10_000, deleted: false })
  }
  const names = await namesOf(storage)
  expect(names.map((name) => name.replace(/[0-9a-f]{16,}/g, '#'))).toEqual([
    expect.stringMatching(/^p#-s#/),
    expect.stringMatching(/^q#-s#/),
    expect.stringMatching(/^xn0_#-s#.*-c1$/),
  ])
})

test('equal contents are stored once: in a batch, at the same time, and in a later session', async () => {
  const storage = memoryStorage()
  const store = await openTestStore(storage)
  const [a, b] = await store.putMany([data('same'), data('same')])
  expect(a).toBe(b)
  await Promise.all([store.put(data('other')), store.put(data('other'))])
  await store.flush()
  expect(store.counters.writtenContents).toBe(2)
  const later = await openTestStore(storage)
  await later.put(data('same'))
  await later.flush()
  expect(later.counters.writtenContents).toBe(0)
  expect(later.counters.uploadedBlobs).toBe(0)
})

test('a content whose pack has vanished is not present and is stored again', async () => {
  const storage = memoryStorage()
  const store = await openTestStore(storage)
  const id = await store.put(data('precious'))
  await store.flush()
  await storage.delete((await namesOf(storage, 'p'))[0] as string)
  const later = await openTestStore(storage)
  expect(await later.isPresent(id)).toBe(false)
  await expect(later.get(id)).rejects.toThrow(/pack is not in the storage/)
  const before = later.info(id)
  await later.put(data('precious'))
  expect(later.info(id)?.timestampSeconds).toBeGreaterThan(before?.timestampSeconds as number)
  await later.flush()
  expect((await (await openTestStore(storage)).get(id)).toString()).toBe('precious')
})

test('many are asked for by their keys as each is by its ID; not while something is pending', async () => {
  const storage = memoryStorage()
  const store = await openTestStore(storage)
  const ids = await store.putMany([data('one'), data('two'), data('three')])
  const keys = Buffer.concat(ids.map(contentKey))
  expect(await store.arePresentByKey?.(keys, 17)).toBeUndefined()
  await store.flush()
  expect(await store.arePresentByKey?.(keys, 17)).toEqual(Uint8Array.of(1, 1, 1))
  await store.delete(ids[1] as ContentId)
  await store.flush()
  const later = await openTestStore(storage)
  expect(await later.arePresentByKey?.(keys, 17)).toEqual(Uint8Array.of(1, 0, 1))
  expect(await later.arePresentByKey?.(keys.subarray(0, 48), 16)).toBeUndefined()
  for (const name of await namesOf(storage, 'p')) await storage.delete(name)
  expect(await (await openTestStore(storage)).arePresentByKey?.(keys, 17)).toEqual(Uint8Array.of(0, 0, 0))
})

test('deleted contents stay readable, and come back by undelete and by writing them again', async () => {
  const storage = memoryStorage()
  const clock = new TestClock()
  const store = await openTestStore(storage, { clock })
  const [a, b] = (await store.putMany([data('one'), data('two')])) as [ContentId, ContentId]
  await store.flush()
  await store.delete(a)
  await store.delete(b)
  await store.flush()
  const reader = await openTestStore(storage, { clock })
  expect(reader.info(a)?.deleted).toBe(true)
  expect(await reader.isPresent(a)).toBe(false)
  expect((await reader.get(a)).toString()).toBe('one')
  expect([...reader.iterate(allIds, false)]).toEqual([])
  expect([...reader.iterate(allIds, true)].map((row) => row.id)).toEqual([a, b].sort())
  await reader.undelete(a)
  await reader.put(data('two'))
  await reader.flush()
  const last = await openTestStore(storage, { clock })
  expect([last.info(a)?.deleted, last.info(b)?.deleted]).toEqual([false, false])
  expect((await last.get(b)).toString()).toBe('two')
})

test('deleting what was never flushed leaves nothing, and no pack for it', async () => {
  const storage = memoryStorage()
  const store = await openTestStore(storage)
  const id = await store.put(data('mistake'))
  await store.delete(id)
  expect(store.info(id)).toBeUndefined()
  await expect(store.delete(id)).rejects.toThrow(ContentNotFoundError)
  await store.flush()
  expect(await namesOf(storage, 'p')).toEqual([])
  expect(await namesOf(storage, 'x')).toEqual([])
})

test('a rewrite moves a content to a new pack and keeps it deleted if it was', async () => {
  const storage = memoryStorage()
  const store = await openTestStore(storage)
  const [a, b] = (await store.putMany([data('one', 'k'), data('two')])) as [ContentId, ContentId]
  await store.flush()
  await store.delete(b)
  const old = [store.info(a)?.packBlob, store.info(b)?.packBlob]
  await store.rewrite(a)
  await store.rewrite(b)
  await store.flush()
  for (const pack of old) await storage.delete(pack as string)
  const reader = await openTestStore(storage)
  expect((await reader.get(a)).toString()).toBe('one')
  expect((await reader.get(b)).toString()).toBe('two')
  expect([reader.info(a)?.deleted, reader.info(b)?.deleted]).toEqual([false, true])
})

test('a failed pack upload is reported, kept readable, and tried again by the next flush', async () => {
  const inner = memoryStorage()
  let broken = true
  const put: typeof inner.put = (id, ...rest) =>
    broken && id.startsWith('p') ? Promise.reject(new Error('disk full')) : inner.put(id, ...rest)
  const storage = Object.assign(Object.create(inner), { put })
  const store = await openTestStore(storage)
  const id = await store.put(data('kept'))
  await expect(store.flush()).rejects.toThrow('disk full')
  expect((await store.get(id)).toString()).toBe('kept')
  expect(await namesOf(inner, 'x')).toEqual([])
  broken = false
  await store.flush()
  expect((await (await openTestStore(inner)).get(id)).toString()).toBe('kept')
  expect(await namesOf(inner, 's')).toEqual([])
})

test('packs are cut at their maximum size and uploaded while writing goes on', async () => {
  const storage = memoryStorage()
  const store = await openTestStore(storage, { format: { ...testFormat, maxPackSizeBytes: 100_000 } })
  const ids: ContentId[] = []
  for (let i = 0; i < 40; i++) ids.push(await store.put(data(String(i).padEnd(20_000, '-'))))
  await store.flush()
  expect((await namesOf(storage, 'p')).length).toBe(8)
  const reader = await openTestStore(storage)
  for (const [i, id] of ids.entries()) expect((await reader.get(id)).toString()).toBe(String(i).padEnd(20_000, '-'))
})

test('while index flushing is off all changes wait for one index blob', async () => {
  const storage = memoryStorage()
  const store = await openTestStore(storage)
  await store.withoutIndexFlush(async () => {
    await store.put(data('one', 'm'))
    await store.flush()
    await store.put(data('two', 'm'))
    await store.flush()
    expect(await namesOf(storage, 'x')).toEqual([])
  })
  await store.flush()
  expect((await namesOf(storage, 'x')).length).toBe(1)
  expect([...(await openTestStore(storage)).iterate(prefixedIds, false)].length).toBe(2)
})

test('ten minutes of writing without a flush write an index blob', async () => {
  const storage = memoryStorage()
  const clock = new TestClock()
  const store = await openTestStore(storage, { clock })
  await store.put(data('one'))
  clock.ms += 10 * 60_000 + 1
  await store.put(data('two'))
  expect((await namesOf(storage, 'x')).length).toBe(1)
})

test('so many contents without a flush write an index blob, but not while index flushing is off', async () => {
  const storage = memoryStorage()
  const store = await openTestStore(storage, { maxPendingRecords: 3 })
  await store.withoutIndexFlush(async () => {
    for (const text of ['a', 'b', 'c', 'd']) await store.put(data(text))
    expect(await namesOf(storage, 'x')).toEqual([])
  })
  await store.put(data('e'))
  expect((await namesOf(storage, 'x')).length).toBe(1)
  await store.put(data('f'))
  expect((await namesOf(storage, 'x')).length).toBe(1)
  await store.flush()
  expect([...(await openTestStore(storage)).iterate(allIds, false)].length).toBe(6)
})

test('a refresh shows what another client has flushed', async () => {
  const blobs = new Map<string, StoredBlob>()
  const [mine, theirs] = [await openTestStore(memoryStorage(undefined, blobs)), await openTestStore(memoryStorage(undefined, blobs))]
  const id = await theirs.put(data('news'))
  await theirs.flush()
  expect(mine.info(id)).toBeUndefined()
  const revision = mine.revision
  await mine.refresh()
  expect(mine.revision).toBeGreaterThan(revision)
  expect(await mine.isPresent(id)).toBe(true)
  expect((await mine.get(id)).toString()).toBe('news')
})

test('iteration is in key order and sees unflushed contents and deletions', async () => {
  const store = await openTestStore()
  const ids = await store.putMany([data('a'), data('b'), data('c', 'k'), data('d', 'm')])
  await store.flush()
  await store.delete(ids[1] as ContentId)
  ids.push(await store.put(data('e')))
  const rows = [...store.iterate(allIds, false)].map((row) => row.id)
  const expected = [ids[0], ids[4]].sort().concat(ids[2], ids[3])
  expect(rows).toEqual(expected)
  expect([...store.iterate(allIds, true)].length).toBe(5)
})
