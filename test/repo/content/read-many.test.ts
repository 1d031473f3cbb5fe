import fc from 'fast-check'
import { expect, test } from 'vitest'
import { nativeAddon } from '#base/native.ts'
import { memoryStorage } from '#repo/blob/memory.ts'
import type { ContentId } from '#repo/content/content-id.ts'
import type { ContentInfo } from '#repo/content/content-info.ts'
import { mergedRanges } from '#repo/content/read-many.ts'
import { data, namesOf, openTestStore } from './rig.ts'

test('ranges hold every content once, are bounded, and do not span wide gaps', () => {
  const place = fc.record({ pack: fc.constantFrom('p1', 'p2'), offset: fc.nat(30_000_000), length: fc.integer({ min: 28, max: 200_000 }) })
  fc.assert(
    fc.property(fc.array(place, { maxLength: 60 }), (places) => {
      const infos = places.map(({ pack, offset, length }) => ({ packBlob: pack, packOffset: offset, packedLength: length }) as ContentInfo)
      const ranges = mergedRanges(infos)
      expect(ranges.flatMap(({ members }) => members).sort((a, b) => a - b)).toEqual(infos.map((_, i) => i))
      for (const { pack, start, end, members } of ranges) {
        expect(end - start).toBeLessThanOrEqual(4 << 20)
        for (const i of members) {
          const { packBlob, packOffset, packedLength } = infos[i] as ContentInfo
          expect([packBlob, packOffset >= start, packOffset + packedLength <= end]).toEqual([pack, true, true])
        }
      }
    }),
    { numRuns: 200 },
  )
})

test('many contents are read together; what cannot be read so is left to get', async () => {
  const storage = memoryStorage()
  const writer = await openTestStore(storage)
  const ids = await writer.putMany([data('one'), data('two'), data('z'.repeat(5000), '', 0x1101), data('y'.repeat(5000))])
  const pending = await writer.getMany(ids, 10_000)
  expect(pending).toEqual([undefined, undefined, undefined, undefined])
  await writer.flush()
  const store = await openTestStore(storage)
  const unknown = 'ab'.repeat(16) as ContentId
  const many = await store.getMany([...ids, unknown], 4000)
  const one = nativeAddon() ? Buffer.from('one') : undefined
  expect(many).toEqual([one, one && Buffer.from('two'), undefined, undefined, undefined])
  expect((await store.getMany(ids, 5000))[2]?.toString()).toBe(nativeAddon() ? 'z'.repeat(5000) : undefined)
  await storage.delete((await namesOf(storage, 'p'))[0] as string)
  expect(await (await openTestStore(storage)).getMany(ids, 4000)).toEqual([undefined, undefined, undefined, undefined])
})
