import { expect, it } from 'vitest'
import { describeAddon } from './addon.ts'

describeAddon('the keys of content IDs', (addon) => {
  it('stand behind a zero byte each', () => {
    const keys = Buffer.alloc(6, 9)
    expect(addon.hexKeys(Buffer.from('x0aF-12fe'), Uint32Array.of(1, 3, 7, 9), keys.subarray(0, 4))).toBe(true)
    expect(keys.toString('hex')).toBe('000a00fe0909')
  })

  it('refuses arrays that do not fit', () => {
    const text = Buffer.from('00112233')
    expect(addon.hexKeys(text, Uint32Array.of(0, 4, 4, 9), Buffer.alloc(6))).toBe(false)
    expect(addon.hexKeys(text, Uint32Array.of(4, 0), Buffer.alloc(3))).toBe(false)
    expect(() => addon.hexKeys(text, Uint32Array.of(0, 4, 4), Buffer.alloc(6))).toThrow(TypeError)
    expect(() => addon.hexKeys(text, Uint32Array.of(0, 4, 4, 8), Buffer.alloc(5))).toThrow(RangeError)
    expect(() => addon.hexKeys(text, new Uint32Array(0), Buffer.alloc(0))).toThrow(TypeError)
  })
})
