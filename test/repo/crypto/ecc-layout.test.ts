import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createEcc, eccParameters } from '#repo/crypto/ecc-layout.ts'
import { TooManyErrorsError } from '#repo/crypto/errors.ts'
import { UnknownAlgorithmError } from '#repo/crypto/hash.ts'
import { parityMatrix } from '#repo/crypto/reed-solomon.ts'
import { hex } from './vectors.ts'

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')
const pattern = (n: number): Buffer => Buffer.from(Uint8Array.from({ length: n }, (_, i) => 7 * i + 3))
const ecc = (percent: number) => createEcc('REED-SOLOMON-CRC32', percent)

// p, n, stored length, SHA-256 (spec 01, 1.20.5)
const digests: [number, number, number, string][] = [
  [1, 5000, 6144, 'b64ffe10469d6442b3efa3b1f9650417d2b6e40aadf7178a5762551837adfe7c'],
  [1, 300000, 305288, '09a9506a4b29181988f0be5b29a4331a7f6507b16601c9ee169e59b17644088e'],
  [2, 2000, 2822, 'b5e97211bd4abccad2a7ff0760a53e99b14e5be8b577bb5ff559ae4c19344c26'],
  [2, 100000, 102852, '121070414f6b3d8d76749211b1d5c70d98d41f40913e3686abe6a092b9cccb80'],
  [3, 50000, 51828, 'fa92a37e9c6d35ae3f5d12c1f92e67d237bc91a0d75e014d87145bf86b17f3eb'],
  [4, 40000, 41784, 'bc86740972167d3c8269345da23b76aa0aeb55e17d8872acd3027aa7439d63c2'],
  [5, 20000, 21160, '92e9a12502b0634d9d500eff6f26256b6fe9e654312117a15e97d991cb6ef3fb'],
  [6, 20000, 21424, 'b06cedde6fe94685fcd8672515fab8214c88b12e2d5d5b2dbbe3e0daca869a69'],
  [7, 20000, 21528, '4aaa112643105400f32f4ea5e9b71766f3511259f9c963beaa7f75a29f18479a'],
  [10, 1052, 1440, '11f2edb851c7b7e512200deeebbb201b999348a37807e1bfce0501524a2e35cf'],
  [10, 1053, 1716, 'ea1b61b2ec6153705f638ba78b43a2dfa37ecf61406a9418d81a8762cf69e8a1'],
  [10, 8188, 8976, '6708a17921f6f363dc590adcaaf93b3a0ced73900c79da0c4e1624d6bc649cb5'],
  [10, 8189, 9253, '9447dd8fded1502602b9d937917ce40537386058d805ecd348b4c69b0ef1260c'],
  [10, 100000, 109792, '803fbec67c98ec98deec3957c12ea6bb7bbfc46fd130765e3d07bb43f0e47632'],
  [50, 100000, 155760, '4afcce90c057de665aeebc61dcb7c9748f8d496977bee6a48d1fd4b921c03df9'],
  [100, 100000, 212336, 'b71afc264940baeb86228dac008b41cb21f8fe4f4b94e3140ce28dab25ae5635'],
]

const matrices: [number, number, string][] = [
  [128, 2, '978ee3f0096c9e95f94c4f3d2b623a2a8cde31571cbacff580c1b6c59f19ca94'],
  [139, 2, 'b2d33dee90253be5d9e108baea55a1a85bd8b42f177a3dfa4d4fa7fd68f8bc93'],
  [164, 2, 'fd930d52dc21eb305d8e2c8dab83c85e769d4d9f5341b3b822b39f791b16420f'],
  [228, 2, 'd04a3f1e2a8a14e9470d0c7035b416f408b4d05e2790a4d588c6ce1c0b3fe02a'],
  [254, 2, 'bfc65acf6bdfe122d90e2f0ae5df6a653f72106b4dbdd859d17ff55bfabebf21'],
  [128, 120, '6a6ffd8b68f530f0cda43f4dd9c78465ec0c9a2f615c1e44a6f3e7c8e758d863'],
]

describe('REED-SOLOMON-CRC32', () => {
  it('computes the parity matrices of the spec', () => {
    expect(Buffer.from(parityMatrix(6, 2)).toString('hex')).toBe('070605040302060704050203')
    for (const [d, q, digest] of matrices) expect(sha256(parityMatrix(d, q)), `${d}+${q}`).toBe(digest)
  })

  it('takes the parameters of the spec', () => {
    const parity = [8, 9, 10, 11, 12, 15, 20, 25, 30, 50, 75, 100].map((p) => eccParameters(p).parityShards)
    expect(parity).toEqual([2, 3, 4, 6, 7, 11, 17, 24, 30, 56, 88, 120])
    expect(eccParameters(1)).toMatchObject({ smallInBytes: 2048, smallOutBytes: 2768, mediumInBytes: 260096, mediumOutBytes: 263168 })
    expect(eccParameters(4)).toMatchObject({ smallInBytes: 1840, smallOutBytes: 2488, mediumInBytes: 29184, mediumOutBytes: 30360 })
    expect(eccParameters(100)).toMatchObject({ smallInBytes: 1984, smallOutBytes: 2680, mediumInBytes: 8192, mediumOutBytes: 16864 })
  })

  it('encodes the short vectors', () => {
    const wanted: [number, string][] = [
      [0, 'd202ef8d00'.repeat(8)],
      [1, 'a505df1b014b0bbe3703d202ef8d00d202ef8d00d202ef8d00a505df1b014b0bbe3703d202ef8d00'],
      [10, '4e0240d7bc008f4db590c9ba74aeff41d912000000392ee6190a030aedb685f911181fc21f4d1a262d341530fee43b4200ff41d912000000'],
      [
        28,
        '181f9754db9059892f64adb93ad4a2f0e13d7c3e6f06416a0000001c030a1cfc7f1f11181f262d340ec5d3833b424950575e542ee5ea656c' +
          '737a8188f9a5ae598f969da4abb265120bc5b9c000000000',
      ],
    ]
    for (const [n, out] of wanted) expect(ecc(2).encode(pattern(n)).toString('hex'), `n=${n}`).toBe(out)
    const sealed = hex('a0a1a2a3a4a5a6a7a8a9aaab8bf0f41b8a95471f516598f6512cedbaaf316d2505c647f32a3cc8e4ec')
    expect(ecc(2).encode(sealed).toString('hex')).toBe(
      '8bdc1a38834c90189b8d8e2a72deba857871ffbaa1fa6b74efcc907700000029a0a1a2a3186e02a5a4a5a6a7a8a9aaabdd3279d38bf0f41b' +
        '8a95471f91e37ed0516598f6512cedba9c6058fbaf316d2505c647f3de116d972a3cc8e4ec000000',
    )
  })

  it.each(digests)('encodes and decodes at %i%% an input of %i bytes', (p, n, stored, digest) => {
    const encoded = ecc(p).encode(pattern(n))
    expect(encoded.length).toBe(stored)
    expect(sha256(encoded)).toBe(digest)
    expect(ecc(p).decode(encoded).equals(pattern(n))).toBe(true)
  })

  it('repairs damage to as many shards of a block as there is parity', () => {
    const sizes = fc.oneof(fc.integer({ min: 0, max: 1052 }), fc.integer({ min: 1053, max: 8188 }), fc.integer({ min: 8189, max: 30000 }))
    fc.assert(
      fc.property(fc.constantFrom(1, 2, 5, 10, 50), sizes, fc.integer({ min: 0, max: 1e6 }), (p, n, seed) => {
        const encoded = ecc(p).encode(pattern(n))
        const { first, step, q } = firstBlock(p, n)
        for (let k = 0; k < q; k++) {
          const at = k % 2 === 0 ? first + k * step + (seed % 4) : k * step + (seed % step)
          if (at < encoded.length) encoded[at] = (encoded[at] as number) ^ (1 + (seed % 255))
        }
        expect(ecc(p).decode(encoded).equals(pattern(n))).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it('repairs a block that lost exactly as many data shards as it has parity and refuses one more', () => {
    for (const [p, n] of digests) {
      const { first, step, q } = firstBlock(p, n)
      const encoded = ecc(p).encode(pattern(n))
      for (let k = 0; k < q; k++) encoded[first + k * step + 4] = (encoded[first + k * step + 4] as number) ^ 0x55
      expect(ecc(p).decode(encoded).equals(pattern(n)), `${p}% ${n}`).toBe(true)
      encoded[first + q * step + 4] = (encoded[first + q * step + 4] as number) ^ 0x55
      expect(() => ecc(p).decode(encoded), `${p}% ${n}`).toThrow(TooManyErrorsError)
    }
  })

  it('survives stored data of any length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (data) => {
        try {
          ecc(10).decode(data)
        } catch (error) {
          expect(error).toBeInstanceOf(TooManyErrorsError)
        }
      }),
    )
  })

  it('refuses other names', () => {
    expect(() => createEcc('PARITY', 10)).toThrow(UnknownAlgorithmError)
  })
})

/** Where the data shards of the first block start in the stored form. */
function firstBlock(p: number, n: number): { first: number; step: number; q: number } {
  const e = eccParameters(p)
  const used = n + 4
  if (used <= e.smallInBytes) return { first: 2 * (4 + Math.ceil(used / 6)), step: 4 + Math.ceil(used / 6), q: 2 }
  const large = used > e.mediumInBytes
  const step = 4 + (large ? e.maxShardBytes : Math.ceil(used / e.dataShards))
  const blocks = large ? Math.ceil(used / e.mediumInBytes) : 1
  return { first: blocks * e.parityShards * step, step, q: e.parityShards }
}
