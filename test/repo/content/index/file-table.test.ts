import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { contentKey, parseContentId } from '#repo/content/content-id.ts'
import { buildIndex } from '#repo/content/index/build.ts'
import { FileTable } from '#repo/content/index/file-table.ts'
import { IndexSet } from '#repo/content/index/index-set.ts'
import { parseIndex } from '#repo/content/index/parse.ts'
import { row } from './sample-rows.ts'

const hashed = (n: number) => parseContentId((n % 3 === 0 ? 'k' : '') + createHash('sha256').update(String(n)).digest('hex').slice(0, 32))
const counted = (n: number) => parseContentId(n.toString(16).padStart(32, '0'))
const file = (ids: readonly string[], timestampSeconds: number) =>
  parseIndex(
    buildIndex(
      ids.map((id) => row(id, { timestampSeconds })),
      2,
    )[0] as Buffer,
    28,
  )
const numbers = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i)

test.each([
  ['hashes', hashed],
  ['made-up keys', counted],
])('a table names every file that holds a key and few others: %s', (_what, idOf) => {
  // Files overlap by half.
  const files = numbers(0, 6).map((f) => file(numbers(f * 250, 500).map(idOf), f + 1))
  const table = FileTable.of(files) as FileTable
  let extra = 0
  for (const n of numbers(0, 5000)) {
    const key = contentKey(idOf(n))
    const named = candidatesOf(table, key)
    const holders = files.flatMap((f, i) => (f.find(key) >= 0 ? [i] : []))
    for (const holder of holders) expect(named.has(holder)).toBe(true)
    extra += named.size - holders.length
  }
  if (idOf === hashed) expect(extra).toBeLessThan(200)
})

function candidatesOf(table: FileTable, key: Uint8Array): Set<number> {
  const out: number[] = []
  const count = table.candidates(key, out)
  return new Set(out.slice(0, count))
}

test('a set answers the same before and after it has made its table', () => {
  const files = numbers(0, 6).map((f) => file(numbers(f * 250, 500).map(hashed), f + 1))
  const set = new IndexSet(files, undefined)
  const answers = (): unknown[] => numbers(0, 6000).map((n) => set.find(hashed(n))?.timestampSeconds)
  const before = answers()
  expect(before.filter((t) => t !== undefined)).toHaveLength(1750)
  expect(before[300]).toBe(2)
  for (let i = 0; i < 4; i++) expect(answers()).toEqual(before)
  expect(() => set.find('00' as never)).toThrow(/content ID/)
})

test('a set takes over the table of the one it replaces, and finds what was added', () => {
  const ids = numbers(0, 3000).map(hashed)
  const files = numbers(0, 6).map((f) => file(ids.slice(f * 250, f * 250 + 500), f + 1))
  let set = new IndexSet(files, undefined)
  const answers = (of: IndexSet): unknown[] => ids.map((id) => of.find(id)?.timestampSeconds)
  for (let i = 0; i < 4; i++) answers(set)
  for (let added = 0; added < 12; added++) {
    const start = added * 200
    files.push(file(ids.slice(start, start + (added % 3 === 0 ? 30 : 150)), 100 + added))
    const next = new IndexSet(files, undefined, set)
    expect(answers(next)).toEqual(answers(new IndexSet(files, undefined)))
    expect(answers(set)[start]).not.toBe(100 + added)
    set = next
  }
  const fewer = new IndexSet(files.slice(2), undefined, set)
  expect(answers(fewer)).toEqual(answers(new IndexSet(files.slice(2), undefined)))
  expect(() => set.find('00' as never)).toThrow(/content ID/)
})

test('keys that were made to collide get no table, and are found all the same', () => {
  // mix() looks at the words at 1 and at the end; the bytes between may be anything.
  const colliding = numbers(0, 6000).map((n) => parseContentId(`00000000${n.toString(16).padStart(16, '0')}00000000`))
  const files = numbers(0, 5).map((f) => file(colliding.slice(f * 1200, f * 1200 + 1200), f + 1))
  expect(FileTable.of(files)).toBeUndefined()
  const set = new IndexSet(files, undefined)
  for (let i = 0; i < 2; i++) expect(colliding.every((id, n) => set.find(id)?.timestampSeconds === 1 + Math.floor(n / 1200))).toBe(true)
})
