import { expect, test } from 'vitest'
import { memoryStorage } from '#repo/blob/memory.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import { ForwardingStorage } from '#repo/blob/wrap/forward.ts'
import { MissingPacks } from '#repo/content/cache/missing-packs.ts'
import { CorruptContentError } from '#repo/content/errors.ts'
import { data, openTestStore, TestClock } from './rig.ts'

/** Counts what is asked of a storage. */
class CountingStorage extends ForwardingStorage {
  asked = 0

  constructor(inner: BlobStorage) {
    super(inner)
  }

  override get(...args: Parameters<BlobStorage['get']>): Promise<Buffer> {
    this.asked++
    return this.inner.get(...args)
  }

  override list(prefix: string): ReturnType<BlobStorage['list']> {
    this.asked++
    return this.inner.list(prefix)
  }
}

async function withoutItsPack() {
  const inner = memoryStorage()
  const writer = await openTestStore(inner)
  const ids = await writer.putMany(['one', 'two', 'three', 'four'].map((text) => data(text)))
  await writer.flush()
  const clock = new TestClock()
  const storage = new CountingStorage(inner)
  const store = await openTestStore(storage, { clock })
  const pack = store.info(ids[0] as string as never)?.packBlob as string
  const bytes = await inner.get(pack)
  await inner.delete(pack)
  return { inner, storage, store, clock, ids, pack, bytes }
}

test('a missing pack is looked for once, however many of its contents are read', async () => {
  const { storage, store, ids } = await withoutItsPack()
  const first = ids[0] as (typeof ids)[number]
  await expect(store.get(first)).rejects.toThrow(/pack is not in the storage/)
  storage.asked = 0
  for (let round = 0; round < 3; round++)
    for (const id of ids) {
      const error = await store.get(id).catch((e: unknown) => e)
      expect(error).toBeInstanceOf(CorruptContentError)
    }
  expect(storage.asked).toBe(0)
})

test('readers at the same time share one look at the indexes', async () => {
  const { storage, store, ids } = await withoutItsPack()
  const alone = await withoutItsPack()
  alone.storage.asked = 0
  await alone.store.get(alone.ids[0] as (typeof ids)[number]).catch(() => undefined)
  storage.asked = 0
  await Promise.all(ids.map((id) => store.get(id).catch(() => undefined)))
  expect(storage.asked).toBeLessThanOrEqual(alone.storage.asked + ids.length - 1)
})

test('a pack that comes back is found a little later', async () => {
  const { inner, store, clock, ids, pack, bytes } = await withoutItsPack()
  const first = ids[0] as (typeof ids)[number]
  await expect(store.get(first)).rejects.toThrow(CorruptContentError)
  await inner.put(pack, [bytes])
  await expect(store.get(first)).rejects.toThrow(CorruptContentError)
  clock.ms += 10_000
  expect((await store.get(first)).toString()).toBe('one')
})

test('a clock that is put back does not make it be missing for longer', () => {
  const clock = new TestClock()
  const missing = new MissingPacks(clock)
  missing.add('p1')
  expect(missing.has('p1')).toBe(true)
  clock.ms -= 3_600_000
  expect(missing.has('p1')).toBe(false)
})

test('only so many are remembered, the newest', () => {
  const missing = new MissingPacks(new TestClock())
  for (let i = 0; i < 10_500; i++) missing.add(`p${i}`)
  expect([missing.has('p0'), missing.has('p600'), missing.has('p10499')]).toEqual([false, true, true])
})
