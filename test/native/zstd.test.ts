import fc from 'fast-check'
import { expect, it } from 'vitest'
import { zstdExpand } from '#repo/compression/zstd.ts'
import { describeAddon, largeLengths, lengths, noise } from './addon.ts'

const wrong = (value: unknown) => value as Uint8Array
const text = (length: number) => Buffer.alloc(length, 'the same words again and again ')

describeAddon('zstd', (addon) => {
  const { zstd } = addon
  const codec = () => {
    if (!zstd) throw new Error('libzstd.so.1 is not installed: the tests of the addon need it')
    return zstd
  }

  it('expands what it compresses, at every length and level, alone and by the other implementation', async () => {
    for (const level of [1, 3, 7, 11, 19]) {
      for (const length of level < 11 ? [...lengths, ...largeLengths.slice(2)] : lengths) {
        for (const data of [noise(length, length + 1), text(length)]) {
          const packed = await codec().compress(data, level)
          expect((await codec().expand(packed, length)).equals(data), `${level} ${length}`).toBe(true)
          if (level === 3) expect((await zstdExpand(packed, length)).equals(data)).toBe(true)
        }
      }
    }
  })

  it('expands several frames as one, and nothing to nothing', async () => {
    const frames = await Promise.all([text(1000), noise(5), text(0), text(70_000)].map((d) => codec().compress(d, 3)))
    expect((await codec().expand(Buffer.concat(frames), 1 << 20)).length).toBe(71_005)
    expect((await codec().expand(Buffer.alloc(0), 100)).length).toBe(0)
  })

  it('stops at the allowed length to the byte', async () => {
    const packed = await codec().compress(text(100_000), 3)
    expect((await codec().expand(packed, 100_000)).length).toBe(100_000)
    for (const maxBytes of [0, 1, 1000, 99_999]) await expect(codec().expand(packed, maxBytes)).rejects.toThrow('more than is allowed')
    const bomb = await codec().compress(Buffer.alloc(64 << 20), 3)
    await expect(codec().expand(bomb, 1 << 16)).rejects.toThrow('more than is allowed')
  })

  it('refuses every cut and every kind of damage, and never gives other bytes', async () => {
    const data = Buffer.concat([noise(300), text(300)])
    const packed = await codec().compress(data, 3)
    for (let end = 1; end < packed.length; end++) await expect(codec().expand(packed.subarray(0, end), 1000), `${end}`).rejects.toThrow()
    await fc.assert(
      fc.asyncProperty(fc.nat(packed.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const bad = Buffer.from(packed)
        bad[at] = (bad[at] as number) ^ change
        // Every frame has a checksum: what expands all the same must be the right bytes.
        const result = await codec()
          .expand(bad, 1000)
          .catch(() => undefined)
        if (result) expect(result.equals(data)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it('survives any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        const withMagic = Buffer.concat([Buffer.from('28b52ffd', 'hex'), bytes])
        for (const data of [bytes, withMagic]) {
          const result = await codec()
            .expand(data, 5000)
            .catch(() => undefined)
          expect(result?.length ?? 0).toBeLessThanOrEqual(5000)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('does a hundred jobs at once', async () => {
    await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const data = Buffer.concat([text(i * 50), noise(i, i)])
        expect((await codec().expand(await codec().compress(data, 1), data.length)).equals(data)).toBe(true)
      }),
    )
  })

  it('refuses wrong arguments', () => {
    const f = codec() as unknown as Record<'compress' | 'expand', (...args: unknown[]) => unknown>
    for (const call of [f.compress, f.expand]) {
      for (const bad of [undefined, null, 'text', 7, {}, new ArrayBuffer(8)]) expect(() => call(wrong(bad), 3)).toThrow(TypeError)
      for (const bad of ['x', undefined, -1, 2 ** 33]) expect(() => call(noise(10), bad)).toThrow(TypeError)
      expect(() => call()).toThrow(TypeError)
    }
  })
})
