import { deflateRawSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { DecompressionError } from '#repo/compression/compressor.ts'
import { deflateExpand } from '#repo/compression/deflate.ts'
import { gzipExpand } from '#repo/compression/gzip.ts'

const one = gzipSync('first ')
const two = gzipSync('second')

describe('gzip', () => {
  it('joins several members', async () => {
    expect((await gzipExpand(Buffer.concat([one, two]), 12)).toString()).toBe('first second')
    await expect(gzipExpand(Buffer.concat([one, two]), 11)).rejects.toThrow(DecompressionError)
  })

  it.each(['00', '0000', '1f', '1f8b', '1f8b08', '41', '4142434445'])('refuses %s behind the last member', async (hex) => {
    await expect(gzipExpand(Buffer.concat([one, Buffer.from(hex, 'hex')]), 100)).rejects.toThrow(DecompressionError)
  })

  it('refuses the same behind a large member', async () => {
    const big = gzipSync(Buffer.alloc(200_000, Buffer.from(Array.from({ length: 99991 }, (_, i) => (i * i) >> 3))), { level: 0 })
    expect(big.length).toBeGreaterThan(65536)
    expect((await gzipExpand(big, 200_000)).length).toBe(200_000)
    await expect(gzipExpand(Buffer.concat([big, Buffer.from([0])]), 200_000)).rejects.toThrow(DecompressionError)
  })

  it('refuses a wrong checksum, a wrong length and nothing at all', async () => {
    for (const at of [8, 4]) {
      const bad = Buffer.from(one)
      bad.writeUInt8(bad.readUInt8(bad.length - at) ^ 1, bad.length - at)
      await expect(gzipExpand(bad, 100)).rejects.toThrow(DecompressionError)
    }
    await expect(gzipExpand(Buffer.alloc(0), 100)).rejects.toThrow(DecompressionError)
  })
})

describe('deflate', () => {
  it('stops at the final block', async () => {
    const stream = Buffer.concat([deflateRawSync('text'), Buffer.from('more')])
    expect((await deflateExpand(stream, 4)).toString()).toBe('text')
  })
})
