import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ContentId, contentKey, InvalidContentIdError } from '#repo/content/content-id.ts'
import type { ContentInfo } from '#repo/content/content-info.ts'
import { buildIndex } from '#repo/content/index/build.ts'
import { IndexBuildError } from '#repo/content/index/errors.ts'
import { parseIndex } from '#repo/content/index/parse.ts'
import { arbitraryId, arbitraryRow, row } from './sample-rows.ts'

const byId = (a: ContentInfo, b: ContentInfo): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)

test('rows are in order however alike their IDs begin', () => {
  const digits = fc.stringMatching(/^[0-9a-f]{4}$/)
  const ids = fc.uniqueArray(fc.tuple(fc.constantFrom('', 'g', 'k', 'z'), fc.constantFrom('000000', '00000f', 'ffffff'), digits), {
    selector: (parts) => parts.join(''),
    minLength: 1,
    maxLength: 200,
  })
  fc.assert(
    fc.property(ids, (parts) => {
      const rows = parts.map((p) => row(p.join('')))
      const file = parseIndex(buildIndex(rows, 2)[0] as Buffer, 28)
      expect(Array.from({ length: file.count }, (_, i) => file.at(i))).toEqual([...rows].sort(byId))
    }),
  )
})

describe.each([
  [1, 16],
  [2, 16],
  [1, 32],
  [2, 28],
  [2, 1],
] as const)('version %i, hashes of %i bytes', (version, hashBytes) => {
  const rowsArbitrary = fc.uniqueArray(arbitraryRow(version, hashBytes), { selector: (r) => r.id, minLength: 1, maxLength: 60 })

  test('finds everything that was built, and nothing else', () => {
    fc.assert(
      fc.property(rowsArbitrary, fc.array(arbitraryId(hashBytes)), (rows, others) => {
        const [bytes, ...more] = buildIndex(rows, version)
        expect(more).toEqual([])
        const file = parseIndex(bytes as Buffer, 28)
        const sorted = [...rows].sort(byId)
        expect(Array.from({ length: file.count }, (_, i) => file.at(i))).toEqual(sorted)
        for (const [i, r] of sorted.entries()) expect(file.find(contentKey(r.id))).toBe(i)
        for (const id of others) expect(file.find(contentKey(id))).toBe(sorted.findIndex((r) => r.id === id))
      }),
      { numRuns: 60 },
    )
  })

  test('the lower bound of any text splits the rows', () => {
    const bound = fc.oneof(arbitraryId(hashBytes), fc.constantFrom('', '0', 'g', 'k', 'k{', '{', 'x8', 'ff', 'm0a1'), fc.string())
    fc.assert(
      fc.property(rowsArbitrary, bound, (rows, text) => {
        const file = parseIndex(buildIndex(rows, version)[0] as Buffer, 28)
        expect(file.lowerBound(text)).toBe(rows.filter((r) => r.id < text).length)
      }),
      { numRuns: 60 },
    )
  })

  test('truncated and changed bytes give an error or rows, never a crash or a hang', () => {
    const rows = fc.sample(rowsArbitrary, { numRuns: 1, seed: 7 })[0] as ContentInfo[]
    const [good] = buildIndex(rows, version) as [Buffer]
    const damaged = [
      ...Array.from({ length: good.length }, (_, n) => good.subarray(0, n)),
      ...Array.from({ length: good.length }, (_, n) => changed(good, n, 0xff)),
      ...Array.from({ length: good.length }, (_, n) => changed(good, n, 1)),
    ]
    for (const bytes of damaged) expect(readAll(bytes, rows)).toBe('ok')
  })
})

function changed(bytes: Buffer, at: number, mask: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] as number) ^ mask
  return copy
}

/** 'ok' when every access works or fails with one of the errors that readers expect; else the other error. */
function readAll(bytes: Buffer, rows: readonly ContentInfo[]): string {
  try {
    const file = parseIndex(bytes, 28, 'n1')
    for (let i = 0; i < Math.min(file.count, 200); i++) {
      if (typeof file.at(i).packBlob !== 'string') return 'no pack name'
      file.lowerBound(file.idAt(i))
    }
    for (const r of rows) file.find(contentKey(r.id))
    return 'ok'
  } catch (error) {
    const code = (error as { code?: string }).code
    return code === 'CORRUPT_INDEX' || error instanceof InvalidContentIdError ? 'ok' : String(error)
  }
}

const id = '00112233445566778899aabbccddeeff'
const corrupt = (what: RegExp) => expect.objectContaining({ code: 'CORRUPT_INDEX', message: expect.stringMatching(what) as string })

describe('malformed files (spec 02, 3.3)', () => {
  const v1 = (): Buffer => buildIndex([row(id, { formatVersion: 1 })], 1)[0] as Buffer
  const v2 = (): Buffer => buildIndex([row(id)], 2)[0] as Buffer
  const patched = (bytes: Buffer, at: number, ...values: number[]): Buffer => {
    bytes.set(values, at)
    return bytes
  }

  test.each([
    ['no bytes', Buffer.alloc(0), /empty/],
    ['unknown version', Buffer.from([3, 17]), /version 3/],
    ['short header, version 1', v1().subarray(0, 7), /header/],
    ['short header, version 2', v2().subarray(0, 16), /header/],
    ['key size 1, version 1', patched(v1(), 1, 1), /key size 1/],
    ['key size 0, version 2', patched(v2(), 1, 0), /key size 0/],
    ['value size 15', patched(v2(), 2, 0, 15), /value size 15/],
    ['value size 20', patched(v2(), 2, 0, 20), /value size 20/],
    ['entry larger than 256', patched(v2(), 1, 241), /entry size 257/],
    ['pack table outside', patched(v2(), 8, 0, 1, 0, 0), /ends before/],
    ['pack name outside', patched(v2(), 17 + 33 + 1, 0, 0, 1, 0), /name of pack 0/],
  ])('%s is an error on open', (_name, bytes, what) => {
    expect(() => parseIndex(bytes, 28, 'n1')).toThrow(corrupt(what))
    expect(() => parseIndex(bytes, 28, 'n1')).toThrow(/blob n1 is corrupt at byte \d+/)
  })

  test('version 1 with another value size is an error on access', () => {
    const file = parseIndex(patched(v1(), 2, 0, 21), 28)
    expect(() => file.at(0)).toThrow(corrupt(/value size 21/))
  })

  test('version 1 with more entries than bytes is an error on access', () => {
    const file = parseIndex(patched(v1(), 4, 0xff, 0xff, 0xff, 0xff), 28)
    expect(() => file.at(1)).toThrow(corrupt(/entry 1 lies outside/))
    expect(() => file.find(contentKey(id as ContentId))).toThrow(corrupt(/outside/))
  })

  test('a pack name outside a version 1 file reads as ---invalid---', () => {
    expect(parseIndex(patched(v1(), 8 + 17 + 8, 0, 1, 0, 0), 28).packAt(0)).toBe('---invalid---')
  })

  test('a pack number that is not defined reads as ---invalid---, a format number as unknown', () => {
    expect(parseIndex(patched(v2(), 17 + 17 + 14, 0, 9), 28).packAt(0)).toBe('---invalid---')
    const two = buildIndex([row(id), row(`k${id}`, { compressionHeader: 0x1101 })], 2)[0] as Buffer
    expect(parseIndex(patched(two, 17 + 17 + 16, 7), 28).at(0)).toMatchObject({
      compressionHeader: 0xffff,
      formatVersion: 0xff,
      encryptionKeyId: 0xff,
    })
  })

  test('an empty version 1 index finds nothing, a key of another length is refused', () => {
    const empty = parseIndex(Buffer.from('01ff001400000000', 'hex'), 28)
    expect(empty.find(contentKey(id as ContentId))).toBe(-1)
    expect(() => parseIndex(v1(), 28).find(Buffer.alloc(18))).toThrow(InvalidContentIdError)
    expect(() => parseIndex(v2(), 28).find(Buffer.alloc(16))).toThrow(InvalidContentIdError)
  })
})

describe('records that cannot be written', () => {
  test.each([
    [1, row(id, { compressionHeader: 1 })],
    [1, row(id, { encryptionKeyId: 1 })],
    [1, row(id, { packBlob: '' })],
    [2, row(id, { packedLength: 2 ** 28 })],
    [2, row(id, { originalLength: 2 ** 28 })],
    [2, row(id, { packOffset: 2 ** 30 })],
    [2, row(id, { packBlob: 'p'.repeat(256) })],
    [2, row(id, { timestampSeconds: -1 })],
    [2, row('a', {})],
  ] as const)('version %i refuses %o', (version, record) => {
    expect(() => buildIndex([record], version)).toThrow(IndexBuildError)
  })

  test('mixed key sizes and more than 255 formats are refused, no records give no file', () => {
    expect(() => buildIndex([row(id), row(`${id}00`)], 2)).toThrow(IndexBuildError)
    const formats = Array.from({ length: 256 }, (_, i) => row(id.slice(2) + i.toString(16).padStart(2, '0'), { compressionHeader: i }))
    expect(() => buildIndex(formats, 2)).toThrow(IndexBuildError)
    expect(buildIndex(formats.slice(1), 2)).toHaveLength(1)
    expect(buildIndex([], 2)).toEqual([])
  })

  test('an empty pack name is legal in version 2', () => {
    expect(parseIndex(buildIndex([row(id, { packBlob: '' })], 2)[0] as Buffer, 28).packAt(0)).toBe('')
  })
})

test('pack numbers beyond 65536 survive (value size 18)', () => {
  const rows = Array.from({ length: 65_540 }, (_, i) => row(i.toString(16).padStart(32, '0'), { packBlob: `p${i}` }))
  const bytes = buildIndex(rows, 2)[0] as Buffer
  expect(bytes.readUInt16BE(2)).toBe(18)
  const file = parseIndex(bytes, 28)
  expect([file.packAt(0), file.packAt(65_535), file.packAt(65_539)]).toEqual(['p0', 'p65535', 'p65539'])
  expect(file.at(65_539)).toEqual(rows[65_539])
})
