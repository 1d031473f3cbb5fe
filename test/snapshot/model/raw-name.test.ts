import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decodeName, encodeName, isSafeName, storedName } from '#snapshot/model/raw-name.ts'

it('any bytes survive as text and back, and the text is what UTF-8 says when they are UTF-8', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.string({ unit: 'binary' }), (bytes, text) => {
      const raw = Buffer.concat([bytes, Buffer.from(text), bytes])
      expect(encodeName(decodeName(raw))).toEqual(raw)
      expect(decodeName(Buffer.from(text))).toBe(text)
      expect(storedName(decodeName(raw)).isWellFormed()).toBe(true)
    }),
  )
})

it('one mark per bad byte', () => {
  expect(storedName(decodeName(Buffer.from([0x61, 0xe2, 0x82, 0x62, 0xff])))).toBe('a\ufffd\ufffdb\ufffd')
  expect(storedName(decodeName(Buffer.from([0xed, 0xa0, 0x80])))).toBe('\ufffd\ufffd\ufffd')
  expect(storedName(decodeName(Buffer.from([0xc0, 0xaf])))).toBe('\ufffd\ufffd')
})

it('names that could leave their folder are not safe', () => {
  expect(['', '.', '..', 'a/b', 'a\0b', '/'].map(isSafeName)).toEqual(Array(6).fill(false))
  expect(['a', '...', ' ', '\ufffd'].map(isSafeName)).toEqual(Array(4).fill(true))
})
