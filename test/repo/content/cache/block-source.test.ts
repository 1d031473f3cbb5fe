import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BlobNotFoundError, BlobRangeError } from '#repo/blob/errors.ts'
import { memoryStorage } from '#repo/blob/memory.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import { blockSource } from '#repo/content/cache/block-source.ts'
import { parseContentId } from '#repo/content/content-id.ts'

const info = (packOffset: number, packedLength: number, packBlob = 'p1') => ({
  id: parseContentId('00'.repeat(16)),
  packBlob,
  packOffset,
  packedLength,
  originalLength: packedLength,
  timestampSeconds: 0,
  deleted: false,
  compressionHeader: 0,
  formatVersion: 3,
  encryptionKeyId: 0,
})

const bytes = Buffer.alloc(600_000)
for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32BE((i * 2654435761) % 2 ** 32, i)

async function pack(): Promise<{ storage: BlobStorage; reads: () => number }> {
  const inner = memoryStorage()
  await inner.put('p1', [bytes])
  let reads = 0
  const get: BlobStorage['get'] = (id, range) => {
    reads++
    return inner.get(id, range)
  }
  return { storage: Object.assign(Object.create(inner), { get }) as BlobStorage, reads: () => reads }
}

test('any range of a pack is read as it is', async () => {
  const { storage } = await pack()
  const source = blockSource(storage)
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(70_000), async (offset, length) => {
      const end = Math.min(bytes.length, offset + length)
      expect((await source.fetch(info(offset, end - offset))).equals(bytes.subarray(offset, end))).toBe(true)
    }),
  )
})

test('neighbours share one read', async () => {
  const { storage, reads } = await pack()
  const source = blockSource(storage)
  await Promise.all(Array.from({ length: 50 }, (_, i) => source.fetch(info(i * 1000, 1000))))
  await source.fetch(info(60_000, 1000))
  expect(reads()).toBe(1)
})

test('a range beyond the pack and a pack that is not there are told apart', async () => {
  const { storage } = await pack()
  const source = blockSource(storage)
  await expect(source.fetch(info(bytes.length - 10, 11))).rejects.toThrow(BlobRangeError)
  await expect(source.fetch(info(bytes.length + 300_000, 11))).rejects.toThrow(BlobRangeError)
  await expect(source.fetch(info(0, 11, 'p2'))).rejects.toThrow(BlobNotFoundError)
})
