import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BlobRangeError, StorageError } from '#repo/blob/errors.ts'
import type { BlobReader, ByteRange } from '#repo/blob/storage.ts'
import { RangeBatches } from '#repo/content/cache/range-batches.ts'

const packBytes = 8 << 20
const pack = Buffer.alloc(packBytes)
for (let i = 0; i < packBytes; i += 4) pack.writeUInt32LE(i, i)

function storageOf(broken?: Error): { readonly reader: BlobReader; readonly asked: (readonly [string, number, number])[] } {
  const asked: (readonly [string, number, number])[] = []
  const get = async (id: string, { offset, length } = {} as ByteRange): Promise<Buffer> => {
    asked.push([id, offset, length])
    if (broken) throw broken
    if (offset + length > packBytes) throw new BlobRangeError(id, 'it ends')
    return pack.subarray(offset, offset + length)
  }
  return { reader: { get } as unknown as BlobReader, asked }
}

/** Fetches ranges at the same time, as those who found nothing in a cache do. */
async function fetchAll(reader: BlobReader, ranges: readonly (readonly [number, number])[], id = 'p1'): Promise<(Buffer | Error)[]> {
  const batches = new RangeBatches(reader)
  const tickets = ranges.map(() => batches.enter(id))
  return Promise.all(ranges.map(([offset, length], i) => tickets[i]?.fetch(offset, length).catch((e: Error) => e) as Promise<Buffer>))
}

describe('ranges wanted at the same time', () => {
  test('are one request when they lie together, whatever their order', async () => {
    const { reader, asked } = storageOf()
    const got = await fetchAll(reader, [
      [3000, 500],
      [1000, 2000],
      [3500, 100],
    ])
    expect(asked).toEqual([['p1', 1000, 2600]])
    expect(got.map((b) => (b as Buffer).length)).toEqual([500, 2000, 100])
    expect((got[0] as Buffer).equals(pack.subarray(3000, 3500))).toBe(true)
  })

  test('are several when they lie far apart, or are too much together', async () => {
    const { reader, asked } = storageOf()
    const long = 250 << 10
    await fetchAll(reader, [[0, 10], [1 << 20, 10], ...Array.from({ length: 18 }, (_, i) => [(2 << 20) + i * long, long] as const)])
    expect(asked.map(([, , length]) => length)).toEqual([10, 10, 16 * long, 2 * long])
  })

  test('give each its own bytes', async () => {
    const range = fc.tuple(fc.nat(packBytes - 300_000), fc.nat(300_000))
    await fc.assert(
      fc.asyncProperty(fc.array(range, { minLength: 1, maxLength: 30 }), async (ranges) => {
        const got = await fetchAll(storageOf().reader, ranges)
        for (const [i, [offset, length]] of ranges.entries())
          expect((got[i] as Buffer).equals(pack.subarray(offset, offset + length))).toBe(true)
      }),
      { numRuns: 50 },
    )
  })

  test('of different packs are not mixed', async () => {
    const { reader, asked } = storageOf()
    const batches = new RangeBatches(reader)
    const tickets = [batches.enter('p1'), batches.enter('p2')]
    await Promise.all(tickets.map((ticket) => ticket.fetch(0, 10)))
    expect(asked.map(([id]) => id).sort()).toEqual(['p1', 'p2'])
  })

  test('fail alone when one of them lies outside of the pack', async () => {
    const got = await fetchAll(storageOf().reader, [
      [packBytes - 100, 50],
      [packBytes - 50, 60],
    ])
    expect((got[0] as Buffer).length).toBe(50)
    expect(got[1]).toBeInstanceOf(BlobRangeError)
  })

  test('fail together when storage does', async () => {
    const broken = new StorageError('away')
    const { reader, asked } = storageOf(broken)
    const ranges = [
      [0, 10],
      [10, 10],
    ] as const
    expect(await fetchAll(reader, ranges)).toEqual([broken, broken])
    expect(asked.length).toBe(1)
  })
})

test('nobody waits for one who found what it looked for, nor for a long range', async () => {
  const { reader, asked } = storageOf()
  const batches = new RangeBatches(reader)
  const [found, long, small] = [batches.enter('p1'), batches.enter('p1'), batches.enter('p1')]
  const running = small.fetch(0, 10)
  await Promise.resolve()
  expect(asked).toEqual([])
  const alone = long.fetch(100, 1 << 20)
  expect(asked).toEqual([['p1', 100, 1 << 20]])
  found.done()
  found.done()
  expect((await running).length).toBe(10)
  expect((await alone).length).toBe(1 << 20)
})
