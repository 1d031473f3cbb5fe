import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ContentId, contentKey } from '#repo/content/content-id.ts'
import { allIds, type ContentInfo, idsWithPrefix, prefixedIds, unprefixedIds } from '#repo/content/content-info.ts'
import { buildIndex, buildIndexFromFiles } from '#repo/content/index/build.ts'
import { IndexSet } from '#repo/content/index/index-set.ts'
import { beats } from '#repo/content/index/merge.ts'
import { parseIndex } from '#repo/content/index/parse.ts'
import { arbitraryRow, row } from './sample-rows.ts'

const fileOf = (rows: readonly ContentInfo[], version: 1 | 2 = 2) => parseIndex(buildIndex(rows, version)[0] as Buffer, 28)

/** Files with few distinct IDs, times and packs, so that records meet and tie. */
const arbitraryFiles = fc.array(
  fc.uniqueArray(
    fc
      .record({
        random: arbitraryRow(2, 1),
        number: fc.integer({ min: 0, max: 12 }),
        timestampSeconds: fc.integer({ min: 1, max: 3 }),
        prefix: fc.constantFrom('', 'k', 'm'),
      })
      .map(({ random, number, timestampSeconds, prefix }): ContentInfo => {
        const id = (prefix + number.toString(16).padStart(2, '0')) as ContentId
        return { ...random, id, timestampSeconds }
      }),
    { selector: (r) => r.id, minLength: 1, maxLength: 12 },
  ),
  { maxLength: 8 },
)

function winnersOf(files: readonly (readonly ContentInfo[])[]): ContentInfo[] {
  const best = new Map<string, ContentInfo>()
  for (const r of files.flat()) {
    const known = best.get(r.id)
    if (!known || beats(r, known)) best.set(r.id, r)
  }
  return [...best.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
}

const facts = (r: ContentInfo): unknown => [r.id, r.timestampSeconds, r.deleted, r.packBlob]

describe('a set of index files', () => {
  test('answers like a map of winners, whatever the order of the files', () => {
    fc.assert(
      fc.property(arbitraryFiles, fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }), (files, watermark) => {
        const visible = winnersOf(files).filter((r) => !(watermark !== undefined && r.deleted && r.timestampSeconds <= watermark))
        for (const order of [files, [...files].reverse()]) {
          const set = new IndexSet(
            order.map((rows) => fileOf(rows)),
            watermark,
          )
          expect([...set.iterate(allIds, true)].map(facts)).toEqual(visible.map(facts))
          expect([...set.iterate()].map(facts)).toEqual(visible.filter((r) => !r.deleted).map(facts))
          for (const range of [prefixedIds, unprefixedIds, idsWithPrefix('k'), { start: '05', end: 'k03' }])
            expect([...set.iterate(range, true)].map(facts)).toEqual(
              visible.filter((r) => r.id >= range.start && r.id < range.end).map(facts),
            )
          const ids = ['', 'k', 'm'].flatMap((prefix) =>
            Array.from({ length: 14 }, (_, n) => `${prefix}${n.toString(16).padStart(2, '0')}`),
          )
          const found = ids.map((id) => set.find(id as ContentId))
          expect(set.findMany(ids as ContentId[])).toEqual(found)
          const keys = Buffer.concat(ids.map((id) => contentKey(id as ContentId)))
          expect(set.packsOf(keys, 2)).toEqual(found.map((r) => (r && !r.deleted ? r.packBlob : '')))
          expect(set.packsOf(keys, 3)).toEqual(set.fileCount === 0 ? found.slice(0, keys.length / 3).map(() => '') : undefined)
          for (const r of winnersOf(files)) expect(set.find(r.id)?.packBlob).toBe(visible.find((v) => v.id === r.id)?.packBlob)
          expect([...set.packNames()].sort()).toEqual([...new Set(visible.map((r) => r.packBlob))].sort())
        }
      }),
      { numRuns: 100 },
    )
  })

  test('IDs of another length are refused one by one and among many', () => {
    const ids = Array.from({ length: 8 }, (_, i) => i.toString(16).padStart(32, '0')) as ContentId[]
    const set = new IndexSet([fileOf(ids.map((id) => row(id)))], undefined)
    expect(set.findMany(ids).map((r) => r?.id)).toEqual(ids)
    for (const at of [0, 5]) expect(() => set.findMany(ids.with(at, '00' as ContentId))).toThrow('invalid content ID')
    expect(set.findMany([])).toEqual([])
  })

  test('small files are merged into one, large ones are kept', () => {
    const many = Array.from({ length: 100 }, (_, i) => row(i.toString(16).padStart(32, '0')))
    const small = Array.from({ length: 40 }, (_, i) => fileOf([row(`k${i.toString(16).padStart(32, '0')}`)]))
    const set = new IndexSet([fileOf(many), ...small], undefined)
    expect([set.fileCount, set.count]).toEqual([2, 140])
    expect(set.find(`k${'0'.repeat(31)}7` as never)?.id).toBe(`k${'0'.repeat(31)}7`)
  })

  test('records of version 1 that version 2 cannot hold are still found', () => {
    const large = row('00', { formatVersion: 1, packedLength: 2 ** 29 + 28, originalLength: 2 ** 29 })
    const set = new IndexSet([fileOf([large], 1), fileOf([row('01')])], undefined)
    expect(set.find('00' as never)).toEqual(large)
    expect([...set.iterate()].map((r) => r.id)).toEqual(['00', '01'])
  })

  test('a look-up with an ID of another length is an error, in an empty set not found', () => {
    expect(() => new IndexSet([fileOf([row('00')])], undefined).find('0000' as never)).toThrow(/content ID/)
    expect(new IndexSet([], undefined).find('0000' as never)).toBeUndefined()
  })
})

test('merging files keeps deleted records and drops only what the filter names, after merging', () => {
  const older = fileOf([row('00', { timestampSeconds: 1 }), row('01', { timestampSeconds: 1 })])
  const newer = fileOf([row('00', { timestampSeconds: 2, deleted: true })])
  const ids = (keep?: (r: ContentInfo) => boolean): string[] =>
    buildIndexFromFiles([older, newer], 2, keep).flatMap((b) => {
      const file = parseIndex(b, 28)
      return Array.from({ length: file.count }, (_, i) => `${file.idAt(i)}${file.deletedAt(i) ? ' deleted' : ''}`)
    })
  expect(ids()).toEqual(['00 deleted', '01'])
  expect(ids((r) => !r.deleted)).toEqual(['01'])
  expect(ids(() => false)).toEqual([])
})
