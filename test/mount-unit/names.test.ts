import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inodeOf } from '#mount/inode.ts'
import { byteName, safeName, snapshotName, uniqueNames } from '#mount/names.ts'

describe('safe names', () => {
  test.each([
    ['/', '__root'],
    ['/home/ann', 'home_ann'],
    ['C:\\foo/bar', 'C_foo_bar'],
    ['\\\\server\\root\\', '__server_root'],
    ['C:', 'C'],
    ['ann@host', 'ann@host'],
    ['/trailing///', 'trailing'],
  ])('of %s is %s', (path, name) => expect(safeName(path)).toBe(name))

  test('are never a path of their own', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('.', '/', '\\', ':', '_', 'a') }), (text) => {
        const name = safeName(text)
        expect(name).not.toMatch(/^\.{0,2}$|\//)
      }),
    )
  })
})

describe('unique names', () => {
  test('number those that are equal when lower-cased, in order of the originals', () => {
    expect(uniqueNames(['/a_b', '/a/b', '/A/b'], safeName)).toEqual(['a_b (3)', 'a_b (2)', 'A_b'])
  })

  test('that a number makes equal again get another number', () => {
    expect(uniqueNames(['/x', '\\x (2)', '/x (2)', 'x'], safeName).length).toBe(4)
  })

  test('are all different and depend on nothing but the set', () => {
    const texts = fc.uniqueArray(fc.string({ unit: fc.constantFrom('a', 'A', '/', '_', ' (2)'), maxLength: 5 }), { maxLength: 12 })
    fc.assert(
      fc.property(texts, (all) => {
        const names = uniqueNames(all, safeName)
        expect(new Set(names.map((n) => n.toLowerCase())).size).toBe(all.length)
        const reversed = uniqueNames(all.toReversed(), safeName).toReversed()
        expect(reversed).toEqual(names)
      }),
    )
  })
})

test('a snapshot is named by its start in UTC, and by its reason when incomplete', () => {
  const startNs = 1_704_164_645_999_999_999n
  expect(snapshotName(startNs, undefined)).toBe('20240102-030405')
  expect(snapshotName(startNs, 'checkpoint')).toBe('20240102-030405 (checkpoint)')
})

test('byte names have one character per byte', () => expect(byteName('é')).toBe('\u00c3\u00a9'))

test('inode numbers fit a double, differ by name and by place, and never change', () => {
  const seen = new Set<number>()
  for (let i = 0; i < 20_000; i++) seen.add(inodeOf(1, `f${i}`)).add(inodeOf(2, `f${i}`))
  expect(seen.size).toBe(40_000)
  for (const inode of seen) expect(inode > 1 && Number.isSafeInteger(inode)).toBe(true)
  expect(inodeOf(1, 'user@host')).toBe(inodeOf(1, 'user@host'))
  expect([inodeOf(1, ''), inodeOf(1, 'a'), inodeOf(2 ** 52, 'a')]).toEqual([712421543172116, 3805843662197794, 4385625742350465])
})
