import fc from 'fast-check'
import { expect, test } from 'vitest'
import { memoryStorage, type StoredBlob } from '#repo/blob/memory.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import type { ContentId } from '#repo/content/content-id.ts'
import { data, namesOf, openTestStore, testFormat } from './rig.ts'

/** Storage whose calls take turns at random (fast-check's scheduler), and of which some puts fail once. */
function scheduled(s: fc.Scheduler, blobs: Map<string, StoredBlob>): BlobStorage {
  const inner = memoryStorage(undefined, blobs)
  return Object.assign(Object.create(inner), {
    put: s.scheduleFunction(inner.put.bind(inner)),
    get: s.scheduleFunction(inner.get.bind(inner)),
    stat: s.scheduleFunction(inner.stat.bind(inner)),
    delete: s.scheduleFunction(inner.delete.bind(inner)),
  }) as BlobStorage
}

const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      text: fc.constantFrom('a', 'b', 'c', 'd'.repeat(3000)),
      prefix: fc.constantFrom('', 'k'),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'flush' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'refresh' as const }) },
)

test('whatever the order of storage calls, what was put before a flush is readable after it, each content once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(action, { minLength: 1, maxLength: 12 }), async (s, actions) => {
      const blobs = new Map<string, StoredBlob>()
      const format = { ...testFormat, maxPackSizeBytes: 2000 }
      const store = await openTestStore(memoryStorage(undefined, blobs), { format })
      await store.close()
      const opening = openTestStore(scheduled(s, blobs), { format })
      await s.waitFor(opening)
      const writer = await opening
      const put = new Map<ContentId, string>()
      const work = actions.map(async (a) => {
        if (a.kind === 'put') {
          const id = await writer.put(data(a.text, a.prefix))
          put.set(id, a.text)
          expect((await writer.get(id)).toString()).toBe(a.text)
        } else if (a.kind === 'flush') {
          const before = [...put]
          await writer.flush()
          const reader = await openTestStore(memoryStorage(undefined, blobs), { format })
          for (const [id, text] of before) expect((await reader.get(id)).toString()).toBe(text)
        } else await writer.refresh()
      })
      await s.waitFor(Promise.all(work))
      await s.waitFor(writer.flush())
      const reader = await openTestStore(memoryStorage(undefined, blobs), { format })
      for (const [id, text] of put) expect((await reader.get(id)).toString()).toBe(text)
      expect(writer.counters.writtenContents).toBe(put.size)
      expect(await namesOf(memoryStorage(undefined, blobs), 's')).toEqual([])
    }),
    { numRuns: 60 },
  )
})

test('many writers at once, with packs finishing under them, lose nothing', async () => {
  const blobs = new Map<string, StoredBlob>()
  const storage = memoryStorage(undefined, blobs)
  const store = await openTestStore(storage, { format: { ...testFormat, maxPackSizeBytes: 50_000 } })
  const texts = Array.from({ length: 300 }, (_, i) => `${i % 200}`.padEnd(1000, 'x'))
  const ids = await Promise.all(texts.map((text, i) => store.put(data(text, i % 3 === 0 ? 'k' : ''))))
  await Promise.all([store.flush(), store.flush()])
  const reader = await openTestStore(storage)
  for (const [i, id] of ids.entries()) expect((await reader.get(id)).toString()).toBe(texts[i])
})
