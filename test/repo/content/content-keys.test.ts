import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ContentId, contentKey } from '#repo/content/content-id.ts'
import { contentKeysAt } from '#repo/content/content-keys.ts'

function textOf(ids: readonly string[]): { text: Buffer; places: Uint32Array } {
  const places: number[] = []
  let text = ''
  for (const id of ids) {
    places.push(text.length + 3, text.length + 3 + id.length)
    text += `"o"${id}"}`
  }
  return { text: Buffer.from(text), places: Uint32Array.from(places) }
}

test('keys of IDs that stand in a text are those that each ID has by itself', () => {
  const bytes = fc.integer({ min: 1, max: 32 }).chain((n) => fc.array(fc.uint8Array({ minLength: n, maxLength: n }), { minLength: 1 }))
  fc.assert(
    fc.property(bytes, (hashes) => {
      const ids = hashes.map((hash) => Buffer.from(hash).toString('hex'))
      const { text, places } = textOf(ids)
      expect(contentKeysAt(text, places)).toEqual(Buffer.concat(ids.map((id) => contentKey(id as ContentId))))
    }),
  )
})

test('what is no plain ID, or of another length, or outside of the text, gives no keys', () => {
  const good = '0123456789abcdef'
  for (const ids of [
    [],
    [''],
    ['k1'],
    ['abc'],
    [good, 'k123456789abcdef'],
    [good, `${good}00`],
    [good, 'ABCDEF0123456789'],
    ['é'.repeat(8)],
  ]) {
    const { text, places } = textOf(ids)
    expect(contentKeysAt(text, places), ids.join()).toBeUndefined()
  }
  expect(contentKeysAt(Buffer.from(good), Uint32Array.of(8, 24))).toBeUndefined()
})
