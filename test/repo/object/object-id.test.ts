import { describe, expect, it } from 'vitest'
import { InvalidObjectIdError } from '#repo/object/errors.ts'
import { objectIdParts, parseObjectId } from '#repo/object/object-id.ts'

describe('object IDs', () => {
  it.each([
    ['', ''],
    ['Df0f0', 'f0f0'],
    ['IIDxf0f0', 'IIxf0f0'],
    ['xf0f0', 'xf0f0'],
    ['XF0'.toLowerCase(), 'xf0'],
    ['F0AB', 'f0ab'],
    ['I', 'I'],
    ['II', 'II'],
    ['Z', 'Z'],
    ['D', ''],
    ['Zabcd', 'Zabcd'],
    [`k${'ab'.repeat(32)}`, `k${'ab'.repeat(32)}`],
  ])('"%s" reads as "%s"', (text, canonical) => {
    expect(parseObjectId(text)).toBe(canonical)
  })

  it.each([
    'Dxf0f',
    'Da',
    'Daf0f0',
    'X',
    'I.',
    'I1',
    'IZabcd',
    'ZIabcd',
    'DZab',
    'Xf0f0',
    'fabcd',
    `ab${'ab'.repeat(32)}`,
    'abcd ',
    ' abcd',
  ])('"%s" is refused', (text) => {
    expect(() => parseObjectId(text)).toThrow(InvalidObjectIdError)
  })

  it('come apart', () => {
    expect(objectIdParts('IIxf0f0')).toEqual({ indirection: 2, compressed: false, content: 'xf0f0' })
    expect(objectIdParts('Zf0f0')).toEqual({ indirection: 0, compressed: true, content: 'f0f0' })
  })
})
