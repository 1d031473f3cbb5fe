import { describe, expect, it } from 'vitest'
import { DecompressionError } from '#repo/compression/compressor.ts'
import { zstdCompress, zstdExpand } from '#repo/compression/zstd.ts'
import { zstdLayout } from '#repo/compression/zstd-frames.ts'

const vector = Buffer.from('28b52ffd04006d00003068656c6c6f20015406032012ad8a76fa', 'hex')
const plain = 'hello hello hello hello hello hello hello'
const skippable = Buffer.from('5a2a4d1803000000aabbcc', 'hex')

describe('zstd', () => {
  it('expands a frame without content size and checks its checksum', async () => {
    expect((await zstdExpand(vector, 1000)).toString()).toBe(plain)
    expect((await zstdExpand(vector, plain.length)).toString()).toBe(plain)
    await expect(zstdExpand(vector, plain.length - 1)).rejects.toThrow(DecompressionError)
    const bad = Buffer.from(vector)
    bad.writeUInt8(bad.readUInt8(bad.length - 1) ^ 1, bad.length - 1)
    await expect(zstdExpand(bad, 1000)).rejects.toThrow(DecompressionError)
  })

  it('joins frames and passes over skippable ones', async () => {
    const other = await zstdCompress(Buffer.alloc(300_000, 'ab'), 3)
    const stream = Buffer.concat([skippable, vector, skippable, other, skippable])
    const expanded = await zstdExpand(stream, 1 << 20)
    expect(expanded.length).toBe(plain.length + 300_000)
    expect(expanded.subarray(0, plain.length).toString()).toBe(plain)
    expect((await zstdExpand(skippable, 10)).length).toBe(0)
  })

  it('reads the largest window asked for, and refuses more', async () => {
    // magic, checksum off and no content size, window descriptor, one raw last block of 3 bytes.
    const frame = (window: number) => Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, window, 0x19, 0, 0, 0x61, 0x62, 0x63])
    expect((await zstdExpand(frame(19 << 3), 10)).toString()).toBe('abc')
    expect(zstdLayout(frame(19 << 3)).largestWindowBytes).toBe(512 * 1024 * 1024)
    await expect(zstdExpand(frame((19 << 3) | 1), 10)).rejects.toThrow(/window/)
  })

  it('refuses dictionaries, garbage between frames and a cut frame', async () => {
    await expect(zstdExpand(Buffer.from('28b52ffd0107001900006162630000', 'hex'), 10)).rejects.toThrow(DecompressionError)
    await expect(zstdExpand(Buffer.concat([vector, Buffer.from('nonsense')]), 1000)).rejects.toThrow(DecompressionError)
    for (let i = 1; i < vector.length; i++) await expect(zstdExpand(vector.subarray(0, i), 1000)).rejects.toThrow(DecompressionError)
  })

  it('keeps the window of what it writes at 8 MiB or below', async () => {
    for (const level of [1, 3, 7, 12]) {
      const packed = await zstdCompress(Buffer.alloc(20 << 20), level)
      expect((await zstdExpand(packed, 20 << 20)).length).toBe(20 << 20)
      expect(zstdLayout(packed).largestWindowBytes).toBeLessThanOrEqual(8 << 20)
    }
  })
})
