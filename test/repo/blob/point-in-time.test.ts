import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BlobNotFoundError } from '#repo/blob/errors.ts'
import { memoryStorage } from '#repo/blob/memory.ts'
import { type BlobVersion, pointInTimeView } from '#repo/blob/point-in-time.ts'

test('what is seen is what a plain store held at that time', async () => {
  const events = fc.array(
    fc.record({ id: fc.constantFrom('p', 'p1', 'p12', 'q'), deleted: fc.boolean(), gap: fc.integer({ min: 1, max: 3 }) }),
    {
      maxLength: 25,
    },
  )
  await fc.assert(
    fc.asyncProperty(events, fc.integer({ min: 0, max: 60 }), async (given, atMs) => {
      const held = new Map<string, string>()
      const all: BlobVersion[] = []
      let now = 0
      for (const { id, deleted, gap } of given) {
        now += gap
        all.push({ id, deleted, version: String(now), sizeBytes: 1, modifiedMs: now })
        if (now > atMs) continue
        if (deleted) held.delete(id)
        else held.set(id, String(now))
      }
      all.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : b.modifiedMs - a.modifiedMs))
      const source = {
        async *versions(prefix: string) {
          yield* all.filter((v) => v.id.startsWith(prefix))
        },
        getVersion: async (_: string, version: string) => Buffer.from(version),
      }
      const view = pointInTimeView(memoryStorage(), source, atMs)
      for (const id of ['p', 'p1', 'p12', 'q', 'absent']) {
        const wanted = held.get(id)
        if (wanted === undefined) await expect(view.get(id)).rejects.toThrow(BlobNotFoundError)
        else expect((await view.get(id)).toString()).toBe(wanted)
      }
      const listed: string[] = []
      for await (const { id } of view.list('p')) listed.push(id)
      expect(listed).toEqual([...held.keys()].filter((id) => id.startsWith('p')).sort())
    }),
  )
})
