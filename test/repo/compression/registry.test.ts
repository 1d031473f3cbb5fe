import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DecompressionError, UnsupportedCompressorError } from '#repo/compression/compressor.ts'
import { compressorByHeader, compressorByName, compressorNames, isSupported } from '#repo/compression/registry.ts'
import { sharedPath } from '../../support/shared.ts'

interface Vector {
  readonly compressor: string
  readonly headerID: string
  readonly contents: readonly { readonly name: string; readonly container: string }[]
}
const vectors = JSON.parse(readFileSync(sharedPath('spec/vectors/compression.json'), 'utf8')) as Record<'indexV1' | 'indexV2', Vector[]>

const writable = compressorNames.filter(isSupported).map((name) => compressorByHeader((compressorByName(name)?.header ?? 0) as number))

/** 'line <k> of the sample text\n' repeated, as in the recipes of objects.json. */
function sampleText(length: number): Buffer {
  let text = ''
  for (let k = 0; text.length < length; k++) text += `line ${k} of the sample text\n`
  return Buffer.from(text.slice(0, length))
}

const noise = (length: number, seed = 1): Buffer => {
  const out = Buffer.alloc(length)
  for (let i = 0, x = seed; i < length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) | 0
    out[i] = x >>> 24
  }
  return out
}

describe('streams written by Kopia', () => {
  for (const [version, list] of Object.entries({ v1: vectors.indexV1, v2: vectors.indexV2 }))
    for (const { compressor, headerID, contents } of list)
      for (const { name, container } of contents)
        it(`expands ${compressor} ${name} (index ${version})`, async () => {
          const bytes = Buffer.from(container, 'base64')
          const type = compressorByHeader(bytes.readUInt32BE(0))
          expect(type.name).toBe(compressor)
          expect(type.header).toBe(Number.parseInt(headerID, 16))
          const plain = await type.expand(bytes.subarray(4), 1 << 20)
          expect(plain.length).toBeGreaterThan(1000)
          if (name === 'zero') expect(plain.equals(Buffer.alloc(plain.length))).toBe(true)
          else expect(plain.equals(sampleText(plain.length))).toBe(true)
          expect((await type.expand(bytes.subarray(4), plain.length)).equals(plain)).toBe(true)
          await expect(type.expand(bytes.subarray(4), plain.length - 1)).rejects.toThrow(DecompressionError)
        })
})

describe('every compressor that writes', () => {
  const inputs = {
    nothing: Buffer.alloc(0),
    'one byte': Buffer.from('x'),
    text: sampleText(300_000),
    zeros: Buffer.alloc(3_000_000),
    noise: noise(200_000),
    'noise twice': Buffer.concat([noise(150_000), noise(150_000)]),
  }
  for (const type of writable)
    for (const [name, plain] of Object.entries(inputs))
      it(`${type.name} gives ${name} back`, async () => {
        const packed = await type.compress(plain)
        expect((await type.expand(packed, plain.length)).equals(plain)).toBe(true)
        if (name === 'text' || name === 'zeros') expect(packed.length).toBeLessThan(plain.length / 4)
        if (plain.length > 0) await expect(type.expand(packed, plain.length - 1)).rejects.toThrow(DecompressionError)
      })

  for (const type of writable)
    it(`${type.name} refuses a stream that is cut short`, async () => {
      const packed = await type.compress(sampleText(5000))
      for (const length of [1, 5, packed.length >> 1, packed.length - 5, packed.length - 1])
        await expect(type.expand(packed.subarray(0, length), 5000), `${length} bytes`).rejects.toThrow(DecompressionError)
    })
})

describe('every expander', () => {
  for (const name of compressorNames)
    it(`${name} fails cleanly on arbitrary bytes and never gives more than allowed`, async () => {
      const type = compressorByHeader(compressorByName(name)?.header ?? 0)
      const start = isSupported(name) ? await type.compress(sampleText(2000)) : Buffer.from('04224d18', 'hex')
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat(2100), fc.nat(200), async (bytes, maxBytes, keep) => {
          for (const input of [bytes, Buffer.concat([start.subarray(0, keep), bytes])])
            try {
              expect((await type.expand(input, maxBytes)).length).toBeLessThanOrEqual(maxBytes)
            } catch (error) {
              expect(error).toBeInstanceOf(DecompressionError)
            }
        }),
        { numRuns: 150 },
      )
    })
})

describe('registry', () => {
  it('knows the names and headers of the format', () => {
    expect(compressorNames).toHaveLength(18)
    expect(compressorByName('zstd-fastest')?.header).toBe(0x1101)
    expect(compressorByName('none')).toBeUndefined()
    expect(compressorByName('')).toBeUndefined()
    expect(() => compressorByHeader(0x1999)).toThrow(UnsupportedCompressorError)
    expect(isSupported('lz4')).toBe(false)
    expect(isSupported('zstd-best-compression')).toBe(true)
  })

  it('refuses to write lz4', async () => {
    await expect(compressorByName('lz4')?.compress(Buffer.from('x'))).rejects.toThrow(UnsupportedCompressorError)
  })
})
