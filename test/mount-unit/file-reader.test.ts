import { describe, expect, test } from 'vitest'
import { FileReader } from '#mount/file-reader.ts'
import { SegmentCache } from '#mount/segment-cache.ts'
import type { ObjectId, ObjectManager } from '#repo/object/object.ts'

const partBytes = 1 << 20
/** Longer than any machine needs for what comes at once. */
const aMinuteMs = 60_000

/** Objects of parts of 1 MiB whose bytes are known by their place. */
function objects(sizeBytes: number, options: { broken?: number; delayMs?: number; withParts?: boolean } = {}) {
  const loads: number[] = []
  const whole = Buffer.alloc(sizeBytes)
  for (let i = 0; i < sizeBytes; i += 4096) whole.writeUInt32LE(i, i)
  const load = async (start: number, end: number): Promise<Buffer> => {
    loads.push(start)
    if (options.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, options.delayMs))
    if (start === options.broken) throw new Error('lost')
    return whole.subarray(start, end)
  }
  const bounds = (id: string, offset: number) =>
    id.startsWith('I')
      ? { start: offset - (offset % partBytes), end: Math.min(offset - (offset % partBytes) + partBytes, sizeBytes) }
      : { start: 0, end: sizeBytes }
  const manager = {
    open: async (id: ObjectId) => ({
      sizeBytes,
      read: async (into: Uint8Array, offset: number) => {
        const part = await load(offset, Math.min(offset + into.length, sizeBytes))
        into.set(part)
        return part.length
      },
      close: () => undefined,
      ...(options.withParts !== false && {
        segmentAt: (offset: number) => bounds(id, offset),
        loadSegment: (start: number) => load(start, bounds(id, start).end),
      }),
    }),
  } as unknown as ObjectManager
  return { manager, loads, whole }
}

const big = 'Ikbig' as ObjectId
const small = 'aa' as ObjectId
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20))

describe('reading', () => {
  test.each([true, false])('gives the bytes of any range, over parts too (reader tells its parts: %s)', async (withParts) => {
    const { manager, whole } = objects((5 << 20) + 77, { withParts })
    const reader = new FileReader(manager, new SegmentCache(64 << 20, 8 << 20), aMinuteMs)
    for (const [offset, size] of [
      [0, 10],
      [partBytes - 5, 10],
      [partBytes / 2, 3 * partBytes],
      [(5 << 20) + 70, 100],
      [6 << 20, 10],
    ] as const) {
      const bytes = await reader.read(big, offset, size)
      expect(Buffer.from(bytes).equals(whole.subarray(offset, offset + size)), `${offset}+${size}`).toBe(true)
    }
  })

  test('loads a part once for readers at the same time, and not again', async () => {
    const { manager, loads } = objects(partBytes * 2, { delayMs: 5 })
    const reader = new FileReader(manager, new SegmentCache(64 << 20, 8 << 20), aMinuteMs)
    await Promise.all(Array.from({ length: 16 }, (_, i) => reader.read(big, i * 100, 50)))
    expect(loads[0]).toBe(0)
    expect(new Set(loads).size).toBe(loads.length)
  })

  test('of small objects that are in memory needs no promise', async () => {
    const { manager } = objects(100)
    const reader = new FileReader(manager, new SegmentCache(64 << 20, 8 << 20), aMinuteMs)
    await reader.read(small, 0, 100)
    expect(reader.read(small, 10, 20)).toBeInstanceOf(Uint8Array)
  })

  test('of an empty object gives nothing', async () => {
    const { manager } = objects(0)
    const reader = new FileReader(manager, new SegmentCache(64 << 20, 8 << 20), aMinuteMs)
    expect((await reader.read(small, 0, 100)).length).toBe(0)
  })

  test('forward asks for what comes next, jumping about does not', async () => {
    const { manager, loads } = objects(40 << 20)
    const reader = new FileReader(manager, new SegmentCache(64 << 20, 16 << 20), aMinuteMs)
    for (let i = 0; i < 4; i++) await reader.read(big, i * 131072, 131072)
    await settle()
    expect(new Set(loads).size).toBeGreaterThan(4)
    loads.length = 0
    for (const at of [30, 11, 25, 18]) await reader.read(big, at << 20, 4096)
    await settle()
    expect(loads.length).toBeLessThanOrEqual(4)
  })

  test('ahead never has more on its way than the budget of all readers', async () => {
    const { manager, loads } = objects(200 << 20, { delayMs: 30 })
    const reader = new FileReader(manager, new SegmentCache(256 << 20, 3 << 20), aMinuteMs)
    const positions = Array.from({ length: 4 })
    await Promise.all(positions.map((_, i) => reader.read(big, i * (20 << 20), 4096)))
    loads.length = 0
    await Promise.all(positions.map((_, i) => reader.read(big, i * (20 << 20) + 4096, 4096)))
    expect(loads.length).toBeLessThanOrEqual(3)
  })

  test('a part that is lost fails only those who read it, and is tried again', async () => {
    const { manager, loads } = objects(4 << 20, { broken: 2 << 20 })
    const reader = new FileReader(manager, new SegmentCache(64 << 20, 8 << 20), aMinuteMs)
    expect((await reader.read(big, 0, 4096)).length).toBe(4096)
    const lost = async () => reader.read(big, 2 << 20, 4096)
    await expect(lost()).rejects.toThrow('lost')
    await expect(lost()).rejects.toThrow('lost')
    expect(loads.filter((at) => at === 2 << 20).length).toBe(2)
    expect((await reader.read(big, 3 << 20, 4096)).length).toBe(4096)
  })

  test('does not wait for storage for ever', async () => {
    const { manager } = objects(4 << 20, { delayMs: 500 })
    const reader = new FileReader(manager, new SegmentCache(64 << 20, 8 << 20), 20)
    await expect((async () => reader.read(big, 0, 10))()).rejects.toMatchObject({ errno: 110 })
  })

  test('keeps no more than the cache may hold', async () => {
    const { manager } = objects(40 << 20)
    const cache = new SegmentCache(4 << 20, 1 << 20)
    const reader = new FileReader(manager, cache, aMinuteMs)
    for (let i = 0; i < 40; i++) await reader.read(big, i << 20, 4096)
    expect(cache.keptBytes).toBeLessThanOrEqual(4 << 20)
  })
})
