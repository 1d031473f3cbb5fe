import fc from 'fast-check'
import type { ContentId } from '#repo/content/content-id.ts'
import type { ContentInfo } from '#repo/content/content-info.ts'

/** A record as the vectors write it. */
export interface VectorRecord {
  readonly id: string
  readonly pack: string
  readonly offset: number
  readonly packed: number
  readonly original: number
  readonly time: number
  readonly version: number
  readonly compression: string
  readonly deleted: boolean
}

export const rowOfVector = (r: VectorRecord): ContentInfo => ({
  id: r.id as ContentId,
  packBlob: r.pack,
  packOffset: r.offset,
  packedLength: r.packed,
  originalLength: r.original,
  timestampSeconds: r.time,
  deleted: r.deleted,
  compressionHeader: Number.parseInt(r.compression, 16),
  formatVersion: r.version,
  encryptionKeyId: 0,
})

export const row = (id: string, over: Partial<ContentInfo> = {}): ContentInfo => ({
  id: id as ContentId,
  packBlob: 'p1',
  packOffset: 32,
  packedLength: 128,
  originalLength: 100,
  timestampSeconds: 1_767_225_600,
  deleted: false,
  compressionHeader: 0,
  formatVersion: 3,
  encryptionKeyId: 0,
  ...over,
})

const hexByte = fc.integer({ min: 0, max: 255 }).map((n) => n.toString(16).padStart(2, '0'))

export const arbitraryId = (hashBytes: number): fc.Arbitrary<ContentId> =>
  fc
    .tuple(fc.constantFrom('', '', 'g', 'k', 'm', 'x', 'z'), fc.array(hexByte, { minLength: hashBytes, maxLength: hashBytes }))
    .map(([prefix, hex]) => (prefix + hex.join('')) as ContentId)

/** Records that index version 1 or 2 can hold. Version 1 derives the original length from the overhead of 28. */
export const arbitraryRow = (version: 1 | 2, hashBytes: number): fc.Arbitrary<ContentInfo> =>
  fc
    .record({
      id: arbitraryId(hashBytes),
      packBlob: fc.constantFrom('p1', 'p22', 'q333', `p${'1'.repeat(32)}-s0123456789abcdef13c`),
      packOffset: fc.integer({ min: 0, max: 2 ** 30 - 1 }),
      packedLength: fc.oneof(fc.integer({ min: 28, max: 5000 }), fc.integer({ min: 28, max: 2 ** 28 - 1 })),
      originalLength: fc.oneof(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 0, max: 2 ** 28 - 1 })),
      timestampSeconds: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      deleted: fc.boolean(),
      compressionHeader: version === 1 ? fc.constant(0) : fc.constantFrom(0, 0x1100, 0x1101, 0x1200),
      formatVersion: fc.constantFrom(1, 2, 3),
      encryptionKeyId: fc.constant(0),
    })
    .map((r) => (version === 1 ? { ...r, originalLength: r.packedLength - 28 } : r))
