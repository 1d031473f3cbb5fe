import fc from 'fast-check'
import { expect, it } from 'vitest'
import { crc32cTwin } from '#repo/compression/crc32c.ts'
import { galoisMultiplyTwin } from '#repo/crypto/reed-solomon.ts'
import { findBuzhashCut } from '#repo/object/splitter/buzhash.ts'
import { findRabinKarpCut } from '#repo/object/splitter/rabin-karp.ts'
import { describeAddon, largeLengths, lengths, noise } from './addon.ts'

const wrong = (value: unknown) => value as Uint8Array
const notBytes = [undefined, null, 'text', 7, {}, [1], new ArrayBuffer(8), new Uint16Array(16)]
const wild = (f: unknown) => f as (...args: unknown[]) => unknown

describeAddon('crc32c', (addon) => {
  it('agrees with the twin at every length and alignment', () => {
    expect(addon.crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
    for (const length of [...lengths, 6143, 6144, 6145, 12_288, 12_300, ...largeLengths]) {
      const data = noise(length, length)
      const wanted = crc32cTwin(data)
      for (const cpu of addon.cpus) {
        const before = addon.useCpu(cpu)
        expect(addon.crc32c(data), `${cpu} ${length}`).toBe(wanted)
        addon.useCpu(before)
      }
    }
    const data = noise(200)
    for (let start = 0; start < 20; start++) expect(addon.crc32c(data.subarray(start))).toBe(crc32cTwin(data.subarray(start)))
  })

  it('refuses what are no bytes', () => {
    for (const bad of notBytes) expect(() => addon.crc32c(wrong(bad))).toThrow(TypeError)
    expect(() => wild(addon.crc32c)()).toThrow(TypeError)
  })
})

describeAddon('galoisMultiply', (addon) => {
  it('agrees with the twin for any matrix and shards', () => {
    const small = fc.integer({ min: 0, max: 9 })
    fc.assert(
      fc.property(small, small, fc.constantFrom(0, 1, 15, 31, 32, 33, 63, 64, 65, 200), fc.nat(), (rows, columns, shardBytes, seed) => {
        const matrix = noise(rows * columns, seed + 1)
        const shards = noise(columns * shardBytes, seed + 2)
        const out = noise(rows * shardBytes + 5, 3)
        const wanted = Buffer.from(out)
        galoisMultiplyTwin(matrix, rows, columns, shards, shardBytes, wanted)
        for (const cpu of addon.cpus) {
          const before = addon.useCpu(cpu)
          out.fill(5, 0, rows * shardBytes)
          addon.galoisMultiply(matrix, rows, columns, shards, shardBytes, out)
          addon.useCpu(before)
          expect(out, cpu).toEqual(wanted)
        }
      }),
    )
  })

  it('multiplies every pair of field elements as the twin does', () => {
    const shards = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    for (let factor = 0; factor < 256; factor++) {
      const [out, wanted] = [Buffer.alloc(256), Buffer.alloc(256)]
      addon.galoisMultiply(Buffer.from([factor]), 1, 1, shards, 256, out)
      galoisMultiplyTwin(Buffer.from([factor]), 1, 1, shards, 256, wanted)
      expect(out.equals(wanted), `${factor}`).toBe(true)
    }
  })

  it('refuses sizes that do not fit together, and what are no bytes', () => {
    const call = (m: number, rows: number, columns: number, s: number, shardBytes: number, o: number) => () =>
      addon.galoisMultiply(Buffer.alloc(m), rows, columns, Buffer.alloc(s), shardBytes, Buffer.alloc(o))
    expect(call(4, 2, 2, 20, 10, 20)).not.toThrow()
    for (const bad of [call(3, 2, 2, 20, 10, 20), call(4, 2, 2, 19, 10, 20), call(4, 2, 2, 20, 10, 19), call(600, 257, 2, 20, 10, 9999)])
      expect(bad).toThrow(RangeError)
    expect(call(4, 2, 2, 20, 0xffffffff, 20)).toThrow(RangeError)
    for (const bad of notBytes) {
      expect(() => addon.galoisMultiply(wrong(bad), 1, 1, Buffer.alloc(9), 1, Buffer.alloc(9))).toThrow(TypeError)
      expect(() => addon.galoisMultiply(Buffer.alloc(9), 1, 1, wrong(bad), 1, Buffer.alloc(9))).toThrow(TypeError)
      expect(() => addon.galoisMultiply(Buffer.alloc(9), 1, 1, Buffer.alloc(9), 1, wrong(bad))).toThrow(TypeError)
    }
    expect(() => wild(addon.galoisMultiply)(Buffer.alloc(1), 'x', 1, Buffer.alloc(1), 1, Buffer.alloc(1))).toThrow(TypeError)
    expect(() => wild(addon.galoisMultiply)()).toThrow(TypeError)
  })
})

describeAddon('findCut', (addon) => {
  const twins = [findBuzhashCut, findRabinKarpCut]

  it('cuts where the twins do, for any size, start and place to resume', () => {
    const data = noise(20_000)
    fc.assert(
      fc.property(
        fc.constantFrom(0, 1),
        fc.constantFrom(128, 256, 512, 1024, 4096),
        fc.nat(20_000),
        fc.nat(20_000),
        fc.nat(20_000),
        (kind, average, length, start, more) => {
          const piece = data.subarray(0, length)
          const from = Math.min(start, length)
          const resume = Math.min(from + more, length)
          // The twins are not asked about less than the shortest segment.
          const wanted = length - from < average / 2 ? -1 : (twins[kind] as typeof findBuzhashCut)(average, piece, from, resume)
          expect(addon.findCut(kind, average, piece, from, resume)).toBe(wanted)
        },
      ),
      { numRuns: 400 },
    )
  })

  it('refuses positions and sizes outside of their range, and what are no bytes', () => {
    const data = noise(1000)
    for (const [kind, average, start] of [
      [2, 128, 0],
      [0, 64, 0],
      [0, 100, 0],
      [0, 0, 0],
      [0, -128, 0],
      [0, 2 ** 31, 0],
      [0, 2 ** 60, 0],
      [1, 128, -1],
      [1, 128, 1001],
      [1, 128, 2 ** 60],
    ] as const)
      expect(() => addon.findCut(kind, average, data, start, 0), `${kind} ${average} ${start}`).toThrow(RangeError)
    for (const bad of notBytes) expect(() => addon.findCut(0, 128, wrong(bad), 0, 0)).toThrow(TypeError)
    expect(() => wild(addon.findCut)(0, 128, data, 'x', 0)).toThrow(TypeError)
    expect(() => wild(addon.findCut)(0, 128, data)).toThrow(TypeError)
    for (const resume of [-1, -(2 ** 60), 2 ** 60, Number.MAX_SAFE_INTEGER, Number.NaN, Number.POSITIVE_INFINITY])
      expect(typeof addon.findCut(0, 128, data, 0, resume)).toBe('number')
  })
})
