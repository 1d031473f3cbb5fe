import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DecompressionError } from '#repo/compression/compressor.ts'
import { crc32c, crc32cTwin } from '#repo/compression/crc32c.ts'
import { s2Compress, s2Expand } from '#repo/compression/s2.ts'

const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex')
const magic = 'ff06000053327354774f'

/** One compressed chunk around a block. */
function chunk(block: Buffer, plain: Buffer, identifier = magic): Buffer {
  const c = crc32c(plain)
  const head = Buffer.alloc(8)
  head.writeUIntLE(block.length + 4, 1, 3)
  head.writeUInt32LE(((((c >>> 15) | (c << 17)) >>> 0) + 0xa282ead8) % 2 ** 32, 4)
  return Buffer.concat([bytes(identifier), head, block])
}

describe('CRC-32C', () => {
  it('has the check value of the polynomial', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
    expect(crc32cTwin(Buffer.from('123456789'))).toBe(0xe3069283)
  })
})

describe('S2 reader', () => {
  it('expands the vectors of the specification', async () => {
    const stored = Buffer.concat([bytes(`${magic} 01210000 5cac5907`), Buffer.from('hello hello hello hello hello')])
    expect((await s2Expand(stored, 100)).toString()).toBe('hello hello hello hello hello')
    const zeros = bytes(`${magic} 000e0000 b92abe78 904e 0000 1101 19000326`)
    expect((await s2Expand(zeros, 10000)).equals(Buffer.alloc(10000))).toBe(true)
    await expect(s2Expand(zeros, 9999)).rejects.toThrow(DecompressionError)
  })

  it('follows copies of every kind and repeats of every length', async () => {
    const cases: [string, string][] = [
      ['05 04 6162 01 00', ''],
      ['06 04 6162 01 02', 'ababab'],
      ['07 04 6162 12 0200', 'ababababa'.slice(0, 7)],
      ['07 04 6162 13 02000000', 'ababababa'.slice(0, 7)],
      ['0b 04 6162 01 02 05 00', 'abababababa'],
    ]
    for (const [hex, text] of cases) {
      const run = s2Expand(chunk(bytes(hex), Buffer.from(text)), 100)
      if (text === '') await expect(run).rejects.toThrow(DecompressionError)
      else expect((await run).toString(), hex).toBe(text)
    }
    const long = Buffer.alloc(2 + 4 + 70000, 'ab')
    const block = Buffer.concat([bytes('f6a204 04 6162 01 02 1d 00'), bytes('6c1100')])
    expect((await s2Expand(chunk(block, long), 1 << 20)).equals(long)).toBe(true)
  })

  it('accepts framed Snappy up to 64 KiB per chunk, padding, skippable chunks and a second identifier', async () => {
    const snappy = 'ff060000734e61507059'
    const plain = Buffer.alloc(65536)
    const block = (length: string) => bytes(`${length} 0000 fe0100`)
    const one = chunk(bytes('04 0c 61626364'), Buffer.from('abcd'), snappy)
    const stream = Buffer.concat([one, bytes('fe020000 0000 99010000 07'), one])
    expect((await s2Expand(stream, 100)).toString()).toBe('abcdabcd')
    await expect(s2Expand(chunk(block('818004'), plain, snappy), 1 << 20)).rejects.toThrow(/too large/)
  })

  it.each([
    ['no identifier', '01050000 00000000 61'],
    ['reserved chunk type', `${magic} 02010000 00`],
    ['unknown identifier', 'ff060000 414243444546'],
    ['a repeat before any copy', ''],
  ])('refuses %s', async (name, hex) => {
    const input = name.startsWith('a repeat') ? chunk(bytes('06 04 6162 01 00'), Buffer.from('ababab')) : bytes(hex)
    await expect(s2Expand(input, 100)).rejects.toThrow(DecompressionError)
  })

  it('refuses a wrong checksum', async () => {
    const stream = await s2Compress(Buffer.alloc(1000, 'abc'))
    stream.writeUInt8(stream.readUInt8(14) ^ 1, 14)
    await expect(s2Expand(stream, 1000)).rejects.toThrow(/checksum/)
  })

  it('survives every flipped byte of a stream', async () => {
    const plain = Buffer.from('the quick brown fox jumps over the lazy dog, the quick brown fox jumps again and again and again')
    const stream = await s2Compress(plain)
    expect(stream.length).toBeLessThan(plain.length)
    for (let i = 0; i < stream.length; i++)
      for (const flip of [1, 0x80, 0xff]) {
        const bad = Buffer.from(stream)
        bad.writeUInt8(bad.readUInt8(i) ^ flip, i)
        const result = await s2Expand(bad, 200).catch((error: unknown) => error)
        if (result instanceof Buffer) expect(result.equals(plain) || result.length === 0).toBe(true)
        else expect(result).toBeInstanceOf(DecompressionError)
      }
  })
})

describe('S2 writer', () => {
  it('gives back whatever it was given', async () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.tuple(fc.nat(255), fc.nat(3000)).map(([value, length]) => new Uint8Array(length).fill(value)),
      fc
        .tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.nat(400))
        .map(([unit, n]) => Buffer.concat(Array.from({ length: n }, () => unit))),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 12 }), fc.boolean(), async (pieces, twice) => {
        const plain = Buffer.concat(twice ? [...pieces, ...pieces] : pieces)
        const packed = await s2Compress(plain)
        expect(Buffer.compare(await s2Expand(packed, plain.length), plain)).toBe(0)
      }),
      { numRuns: 300 },
    )
  })

  it('finds matches at offsets beyond 64 KiB, across a block of 1 MiB, and starts anew at the next', async () => {
    const unit = Buffer.alloc(100_000)
    for (let i = 0, x = 7; i < unit.length; i++) unit[i] = (x = (Math.imul(x, 1664525) + 1013904223) | 0) >>> 24
    const plain = Buffer.concat(Array.from({ length: 15 }, () => unit))
    const packed = await s2Compress(plain)
    expect(packed.length).toBeLessThan(250_000)
    expect((await s2Expand(packed, plain.length)).equals(plain)).toBe(true)
  })

  it('writes nothing for nothing', async () => {
    expect((await s2Compress(Buffer.alloc(0))).length).toBe(0)
    expect((await s2Expand(Buffer.alloc(0), 0)).length).toBe(0)
  })
})
