import { expect, test } from 'vitest'
import { nativeAddon } from '#base/native.ts'
import { StorageError } from '#repo/blob/errors.ts'
import { memoryStorage } from '#repo/blob/memory.ts'
import type { ContentId } from '#repo/content/content-id.ts'
import { openTestStore, testFormat } from './rig.ts'

const slices = (slab: Buffer, bytes: number) =>
  Array.from({ length: slab.length / bytes }, (_, i) => ({
    prefix: '',
    data: slab.subarray(i * bytes, (i + 1) * bytes),
    compressionHeader: 0,
  }))

const slabOf = (seed: string) => Buffer.from(Array.from({ length: 4 }, (_, i) => `${seed}${i}`.repeat(1000).slice(0, 2000)).join(''))

test('memory that is handed over comes back when its packs are stored, and what lies in it is readable all the time', async () => {
  const storage = memoryStorage()
  const store = await openTestStore(storage)
  const plain = slabOf('chunk')
  const slab = Buffer.from(plain)
  let isFree = false
  const ids = await store.putOwned([...slices(slab, 2000), { prefix: 'k', data: Buffer.from('a directory'), compressionHeader: 0 }], () => {
    isFree = true
  })
  expect(isFree).toBe(nativeAddon() === undefined)
  const reading = ids.map((id) => store.get(id))
  await store.flush()
  expect(isFree).toBe(true)
  slab.fill(0)
  const expected = [...slices(plain, 2000).map(({ data }) => data), Buffer.from('a directory')]
  for (const [i, got] of (await Promise.all(reading)).entries()) expect(got.equals(expected[i] as Buffer)).toBe(true)
  const later = await openTestStore(storage)
  for (const [i, id] of ids.entries()) expect((await later.get(id)).equals(expected[i] as Buffer)).toBe(true)
  expect(await later.putMany(slices(plain, 2000))).toEqual(ids.slice(0, 4))
  expect(later.counters.writtenContents).toBe(0)
})

test('memory comes back at once when everything in it is known, and when it cannot be stored', async () => {
  const store = await openTestStore()
  await store.putMany(slices(slabOf('known'), 2000))
  let released = 0
  const release = () => {
    released++
  }
  await store.putOwned(slices(slabOf('known'), 2000), release)
  expect(released).toBe(1)
  await expect(store.putOwned([{ prefix: 'kk', data: Buffer.from('x'), compressionHeader: 0 }], release)).rejects.toThrow('prefix')
  expect(released).toBe(2)
})

test('a pack that could not be stored keeps its memory until it is', async () => {
  const storage = memoryStorage()
  let failures = 1
  const failing = new Proxy(storage, {
    get(target, key) {
      if (key === 'put')
        return async (name: string, parts: readonly Uint8Array[]) => {
          if (name.startsWith('p') && failures-- > 0) throw new StorageError('the disk is full')
          return target.put(name, parts)
        }
      const value = Reflect.get(target, key) as unknown
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  const store = await openTestStore(failing, { format: { ...testFormat, maxPackSizeBytes: 5000 } })
  let isFree = false
  const [id] = await store.putOwned(slices(slabOf('late'), 4000), () => {
    isFree = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  if (nativeAddon()) expect(isFree).toBe(false)
  await store.flush()
  expect(isFree).toBe(true)
  const later = await openTestStore(storage)
  expect((await later.get(id as ContentId)).equals(slabOf('late').subarray(0, 4000))).toBe(true)
})
