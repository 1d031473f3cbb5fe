import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { ActiveReaders } from '#mount/active-readers.ts'
import { SegmentCache } from '#mount/segment-cache.ts'
import { SegmentMemory } from '#mount/segment-memory.ts'
import type { PlainMemory } from '#repo/content/store.ts'

const mib = 1 << 20

/** Loads a part of that length full of `fill` into the memory offered, as the repository does. */
const part =
  (sizeBytes: number, fill: number) =>
  async (memory?: PlainMemory): Promise<Buffer> =>
    (memory?.(sizeBytes) ?? Buffer.alloc(sizeBytes)).fill(fill)

const reusing = (maxBytes: number): SegmentCache => new SegmentCache(maxBytes, maxBytes, { reusesMemory: true })

test('readers that have not read for a while are not counted', () => {
  const active = new ActiveReaders(8)
  const [a, b, c] = [{}, {}, {}]
  for (const reader of [a, b, a, c]) active.note(reader)
  expect(active.count).toBe(3)
  for (let i = 0; i < 7; i++) active.note(b)
  expect(active.count).toBe(2)
  active.note(b)
  expect(active.count).toBe(1)
})

describe('memory of parts', () => {
  test('is used again once it is given back, and not in the same turn', async () => {
    const memory = new SegmentMemory(16 * mib)
    const first = memory.take(3 * mib)
    memory.giveBack(first)
    expect(memory.take(3 * mib).buffer).not.toBe(first.buffer)
    await nextTurn()
    const again = memory.take(2 * mib)
    expect(again.buffer).toBe(first.buffer)
    expect(again.length).toBe(2 * mib)
  })

  test('given back twice is lent once', async () => {
    const memory = new SegmentMemory(16 * mib)
    const bytes = memory.take(mib)
    memory.giveBack(bytes)
    memory.giveBack(bytes)
    await nextTurn()
    expect(memory.take(mib).buffer).not.toBe(memory.take(mib).buffer)
  })

  test('that others made is let alone', async () => {
    const memory = new SegmentMemory(16 * mib)
    const strange = Buffer.alloc(mib)
    memory.giveBack(strange)
    await nextTurn()
    expect(memory.take(mib).buffer).not.toBe(strange.buffer)
  })

  test('is not wasted on parts that are much shorter, nor kept beyond its bound', async () => {
    const memory = new SegmentMemory(5 * mib)
    const [long, other] = [memory.take(4 * mib), memory.take(3 * mib)]
    for (const bytes of [long, other]) memory.giveBack(bytes)
    await nextTurn()
    expect(memory.take(mib / 2).buffer).not.toBe(long.buffer)
    expect(memory.take(3 * mib).buffer).toBe(long.buffer)
    expect(memory.take(3 * mib).buffer).not.toBe(other.buffer)
  })
})

describe('a cache that uses memory again', () => {
  test('gives every reader the right bytes while parts come and go', async () => {
    const cache = reusing(8 * mib)
    let seed = 7
    const random = (below: number): number => (seed = (seed * 48271) % 0x7fffffff) % below
    const reader = async (): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        const key = random(20)
        const load = async (memory?: PlainMemory): Promise<Buffer> => {
          await nextTurn()
          return part(mib + key * 1000, key)(memory)
        }
        const bytes = await cache.get(`${key}`, load, mib + key * 1000)
        expect([bytes[0], bytes[bytes.length >> 1], bytes.at(-1), bytes.length]).toEqual([key, key, key, mib + key * 1000])
        if (random(2) === 0) await nextTurn()
      }
    }
    await Promise.all(Array.from({ length: 8 }, reader))
    expect(cache.keptBytes).toBeLessThanOrEqual(8 * mib)
  })

  test('makes no new memory once it is full', async () => {
    const cache = reusing(16 * mib)
    const blocks = new Set<ArrayBufferLike>()
    for (let i = 0; i < 100; i++) {
      blocks.add((await cache.get(`${i}`, part(2 * mib + (i % 7) * 400_000, i))).buffer)
      await nextTurn()
    }
    expect(blocks.size).toBeLessThan(12)
  })

  test('has one bound for what is kept and what is being loaded', async () => {
    const cache = reusing(32 * mib)
    const blocks = new Set<ArrayBufferLike>()
    let [running, most] = [0, 0]
    const load = async (memory?: PlainMemory): Promise<Buffer> => {
      most = Math.max(most, ++running)
      const bytes = await part(2 * mib, 1)(memory)
      blocks.add(bytes.buffer)
      await nextTurn()
      running--
      return bytes
    }
    for (let round = 0; round < 4; round++) {
      const keys = Array.from({ length: 40 }, (_, i) => `${round} ${i}`)
      await Promise.all(keys.map((key) => cache.get(key, load, 2 * mib)))
    }
    expect(most).toBeLessThanOrEqual(7)
    expect(blocks.size).toBeLessThanOrEqual(14 + 8)
  })

  test('goes on when loads fail that others wait for', async () => {
    const cache = reusing(16 * mib)
    const keys = Array.from({ length: 30 }, (_, i) => i)
    const load = (key: number) => (key % 3 === 0 ? part(4 * mib, key) : () => Promise.reject(new Error('lost')))
    const outcomes = await Promise.allSettled(keys.map((key) => cache.get(`${key}`, load(key), 4 * mib)))
    expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual(keys.map((key) => key % 3 === 0))
  })

  test('takes memory back from loads that fail, that use other memory, and that are too long to be kept', async () => {
    const cache = reusing(8 * mib)
    const taken: ArrayBufferLike[] = []
    const noted =
      (load: (memory: PlainMemory) => Promise<Buffer>) =>
      (memory?: PlainMemory): Promise<Buffer> =>
        load((sizeBytes) => {
          const bytes = (memory as PlainMemory)(sizeBytes)
          taken.push(bytes.buffer)
          return bytes
        })
    const failing = noted(async (memory) => {
      memory(mib)
      throw new Error('lost')
    })
    await expect(cache.get('a', failing)).rejects.toThrow('lost')
    await nextTurn()
    await cache.get(
      'b',
      noted(async (memory) => {
        memory(mib)
        return Buffer.alloc(mib)
      }),
    )
    await nextTurn()
    await cache.get('c', noted(part(mib, 1)))
    expect(new Set(taken).size).toBe(1)
    await cache.get('d', part(9 * mib, 1))
    expect(cache.peek('d')).toBeUndefined()
  })

  test('without it keeps parts for as long as somebody looks at them', async () => {
    const cache = new SegmentCache(4 * mib, 4 * mib)
    const first = await cache.get('0', part(2 * mib, 9))
    for (let i = 1; i < 20; i++) {
      await cache.get(`${i}`, part(2 * mib, i))
      await nextTurn()
    }
    expect(first.every((byte) => byte === 9)).toBe(true)
  })
})
