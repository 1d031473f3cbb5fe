import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { contentKey, parseContentId } from '#repo/content/content-id.ts'
import { buildIndex, buildIndexFromFiles, fnv1a32 } from '#repo/content/index/build.ts'
import { beats } from '#repo/content/index/merge.ts'
import { parseIndex } from '#repo/content/index/parse.ts'
import { sharedPath } from '../../../support/shared.ts'
import { row, rowOfVector, type VectorRecord } from './sample-rows.ts'

type Triple = readonly [number, boolean, string]
interface Vectors {
  readonly kopia: readonly { why: string; repository: string; plain: string; records: VectorRecord[] }[]
  readonly synthetic: readonly { why: string; plain: string; records: VectorRecord[] }[]
  readonly merge: readonly { a: Triple; b: Triple; winner: Triple }[]
}
const vectors = JSON.parse(readFileSync(sharedPath('spec/vectors/indexes.json'), 'utf8')) as Vectors
const files = [...vectors.kopia.map((v) => ({ ...v, why: `${v.repository}: ${v.why}` })), ...vectors.synthetic]

describe.each(files)('index file "$why"', ({ why, plain, records }) => {
  const bytes = Buffer.from(plain, 'base64')
  const file = parseIndex(bytes, 28)
  const expected = records.map(rowOfVector)

  test('gives its records in order', () => {
    expect(Array.from({ length: file.count }, (_, i) => file.at(i))).toEqual(expected)
  })

  test('finds every record by its key', () => {
    for (const [i, r] of expected.entries()) {
      expect(file.find(contentKey(r.id))).toBe(i)
      expect(file.lowerBound(r.id)).toBe(i)
      expect([file.idAt(i), file.timestampAt(i), file.deletedAt(i), file.packAt(i)]).toEqual([
        r.id,
        r.timestampSeconds,
        r.deleted,
        r.packBlob,
      ])
    }
  })

  test('is built again byte for byte, from records and from files', () => {
    const random = why.includes('32 random bytes') ? bytes.subarray(-32) : undefined
    const options = random ? { randomSuffix: true, random: () => random } : {}
    const built = buildIndex([...expected].reverse(), file.version, options)
    expect(built.map((b) => b.toString('hex'))).toEqual([bytes.toString('hex')])
    const merged = buildIndexFromFiles([file, file], file.version, undefined, options)
    expect(merged.map((b) => b.toString('hex'))).toEqual([bytes.toString('hex')])
  })
})

test.each(vectors.merge)('of $a and $b the winner is $winner', ({ a, b, winner }) => {
  const of = ([timestampSeconds, deleted, packBlob]: Triple) => ({ timestampSeconds, deleted, packBlob })
  const bWins = winner.join() === b.join()
  expect(beats(of(a), of(b))).toBe(!bWins)
  expect(beats(of(b), of(a))).toBe(bWins)
})

test('a complete tie keeps the record seen first', () => {
  expect(beats(row('00'), row('00'))).toBe(false)
})

const pack1 = `p${'1'.repeat(32)}-s0123456789abcdef13c`
const pack2 = `q${'2'.repeat(32)}-s0123456789abcdef13c`
const worked = [
  row('000102030405060708090a0b0c0d0e0f', { packBlob: pack1, originalLength: 1000, packedLength: 1028 }),
  row(`k${'f0'.repeat(16)}`, {
    packBlob: pack2,
    timestampSeconds: 1767225601,
    originalLength: 5000,
    packedLength: 812,
    compressionHeader: 0x1101,
  }),
  row(`m${'0a'.repeat(16)}`, {
    packBlob: pack2,
    timestampSeconds: 1767225602,
    packOffset: 844,
    originalLength: 300,
    packedLength: 200,
    compressionHeader: 0x1101,
    deleted: true,
  }),
]
const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

test('the worked examples of spec 02, 3.6 and 3.7 have the stated digests', () => {
  const [v2] = buildIndex(worked, 2)
  expect(v2?.length).toBe(249)
  expect(sha256(v2 as Buffer)).toBe('a77c6e13b28c95ac350fcae66bdf58ffe7152d6558cdb108c9f3e9124b455420')
  const v1Rows = [worked[0], worked[2]].map((r) => ({ ...(r as (typeof worked)[0]), formatVersion: 1, compressionHeader: 0 }))
  const [v1] = buildIndex(v1Rows, 1)
  expect(v1?.length).toBe(190)
  expect(sha256(v1 as Buffer)).toBe('51a9326280918c3a25b9f98e9a20a7d98b8ec15c4a4c602b891499ef9081bde6')
})

test('shards have the sizes of spec 02, 3.5', () => {
  expect(fnv1a32('a')).toBe(0xe40c292c)
  const rows = Array.from({ length: 10_000 }, (_, i) => {
    const prefix = i % 5 === 0 ? 'm' : i % 7 === 0 ? 'y' : i % 2 === 0 ? 'x' : ''
    return row(prefix + createHash('sha1').update(String(i)).digest('hex'))
  })
  const shards = buildIndex(rows, 2, { maxRowsPerShard: 2000 }).map((b) => parseIndex(b, 28))
  expect(shards.map((s) => s.count).sort()).toEqual([1952, 1995, 2005, 2013, 2035])
  for (const r of rows) expect(shards.filter((s) => s.find(contentKey(parseContentId(r.id))) >= 0)).toHaveLength(1)
})
