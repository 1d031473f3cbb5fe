import { expect, test } from 'vitest'
import { memoryStorage, type StoredBlob } from '#repo/blob/memory.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import type { ContentId } from '#repo/content/content-id.ts'
import { allIds } from '#repo/content/content-info.ts'
import { data, openTestStore } from './rig.ts'

/** Storage whose process dies after `calls` puts and deletes; `before` says whether the last one still happens. */
function dyingStorage(blobs: Map<string, StoredBlob>, calls: number, before: boolean): BlobStorage & { used: number } {
  const inner = memoryStorage(undefined, blobs)
  const dying = Object.create(inner) as BlobStorage & { used: number }
  dying.used = 0
  const guarded =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      const number = ++dying.used
      if (number > calls || (number === calls && before)) throw new Error('the process is dead')
      const result = await call.apply(inner, args)
      if (number === calls) throw new Error('the process is dead')
      return result
    }
  return Object.assign(dying, { put: guarded(inner.put), delete: guarded(inner.delete) })
}

interface Run {
  readonly acknowledged: Map<ContentId, string>
  readonly deleted: Set<ContentId>
}

async function scenario(storage: BlobStorage): Promise<Run> {
  const run: Run = { acknowledged: new Map(), deleted: new Set() }
  try {
    const store = await openTestStore(storage)
    const texts = ['one', 'two', 'three']
    const ids = await store.putMany([data('one'), data('two'), data('three', 'k')])
    await store.flush()
    for (const [i, id] of ids.entries()) run.acknowledged.set(id, texts[i] as string)
    await store.delete(ids[1] as ContentId)
    const id = await store.put(data('four', 'm'))
    await store.flush()
    run.acknowledged.set(id, 'four')
    run.deleted.add(ids[1] as ContentId)
    await store.close()
  } catch {
    // What was acknowledged before is what counts.
  }
  return run
}

test('a process that dies at any storage call loses nothing that was acknowledged and leaves nothing half there', async () => {
  const whole = dyingStorage(new Map(), Number.POSITIVE_INFINITY, false)
  await scenario(whole)
  expect(whole.used).toBeGreaterThan(6)
  for (let calls = 1; calls <= whole.used; calls++)
    for (const before of [true, false]) {
      const blobs = new Map<string, StoredBlob>()
      const { acknowledged, deleted } = await scenario(dyingStorage(blobs, calls, before))
      const reopened = await openTestStore(memoryStorage(undefined, blobs))
      const where = `died ${before ? 'before' : 'after'} call ${calls}`
      for (const [id, text] of acknowledged) expect((await reopened.get(id)).toString(), where).toBe(text)
      for (const id of deleted) expect(reopened.info(id)?.deleted, where).toBe(true)
      for (const row of reopened.iterate(allIds, true)) expect((await reopened.get(row.id)).length, where).toBe(row.originalLength)
      const again = await reopened.put(data('one'))
      await reopened.flush()
      expect((await (await openTestStore(memoryStorage(undefined, blobs))).get(again)).toString()).toBe('one')
    }
})

test('a flush that fails at any storage call can simply be repeated', async () => {
  for (let failing = 1; failing <= 5; failing++) {
    const blobs = new Map<string, StoredBlob>()
    const inner = memoryStorage(undefined, blobs)
    let calls = 0
    const put: BlobStorage['put'] = (...args) => (++calls === failing ? Promise.reject(new Error('hiccup')) : inner.put(...args))
    const store = await openTestStore(Object.assign(Object.create(inner), { put }) as BlobStorage)
    const attempt = async <T>(work: () => Promise<T>): Promise<T> => work().catch(() => work())
    const ids = await attempt(() => store.putMany([data('one'), data('two', 'k')]))
    await attempt(() => store.flush())
    const reopened = await openTestStore(memoryStorage(undefined, blobs))
    expect((await Promise.all(ids.map((id) => reopened.get(id)))).map(String)).toEqual(['one', 'two'])
  }
})
