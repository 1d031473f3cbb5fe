import { describe, expect, it } from 'vitest'
import { DecompressionError } from '#repo/compression/compressor.ts'
import { lz4Expand } from '#repo/compression/lz4.ts'
import { xxh32 } from '#repo/compression/xxh32.ts'

const word = (n: number): Buffer => {
  const b = Buffer.alloc(4)
  b.writeUInt32LE(n)
  return b
}

/** A frame with 4 MiB blocks and content checksum, as pierrec/lz4 wrote them. */
function frame(blocks: readonly (readonly [bytes: Buffer, stored: boolean])[], plain: Buffer, flags = 0x64): Buffer {
  const descriptor = Buffer.from([flags, 0x70])
  const parts: Buffer[] = [Buffer.from('04224d18', 'hex'), descriptor, Buffer.from([(xxh32(descriptor) >>> 8) & 0xff])]
  for (const [bytes, stored] of blocks) parts.push(word((bytes.length | (stored ? 0x80000000 : 0)) >>> 0), bytes)
  return Buffer.concat([...parts, word(0), word(xxh32(plain))])
}

const repeated = Buffer.from('abcabcabcabcabcabcabcabcabcabc!!!!!')
// 3 literals, copy of 27 at offset 3; then 5 literals.
const block = Buffer.from('3f616263030008502121212121', 'hex')

describe('XXH32', () => {
  it('has the published values', () => {
    expect(xxh32(Buffer.alloc(0))).toBe(0x02cc5d05)
    expect(xxh32(Buffer.from('abc'))).toBe(0x32d153ff)
    expect(xxh32(Buffer.from('Nobody inspects the spammish repetition'))).toBe(0xe2293b2f)
  })
})

describe('LZ4 frames', () => {
  it('expands stored and compressed blocks, checks the checksum and the bound', async () => {
    const plain = Buffer.concat([repeated, Buffer.from('stored')])
    const stream = frame(
      [
        [block, false],
        [Buffer.from('stored'), true],
      ],
      plain,
    )
    expect((await lz4Expand(stream, plain.length)).toString()).toBe(plain.toString())
    await expect(lz4Expand(stream, plain.length - 1)).rejects.toThrow(DecompressionError)
    await expect(lz4Expand(frame([[block, false]], plain), 1000)).rejects.toThrow(/checksum/)
    for (let i = 1; i < stream.length; i++) await expect(lz4Expand(stream.subarray(0, i), 1000)).rejects.toThrow(DecompressionError)
  })

  it('lets linked blocks look back, and independent ones not', async () => {
    const back = Buffer.from('02030050' + '2121212121', 'hex')
    const plain = Buffer.concat([repeated, Buffer.from('!!!!!!'), Buffer.from('!!!!!')])
    const linked = frame(
      [
        [block, false],
        [back, false],
      ],
      plain,
      0x44,
    )
    expect((await lz4Expand(linked, 1000)).toString()).toBe(plain.toString())
    await expect(
      lz4Expand(
        frame(
          [
            [block, false],
            [back, false],
          ],
          plain,
        ),
        1000,
      ),
    ).rejects.toThrow(/before the start/)
  })
})
