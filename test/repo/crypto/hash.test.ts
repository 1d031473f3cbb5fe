import { describe, expect, it } from 'vitest'
import { blake3Key, createHasher, createTwinHasher, hashNames, KeyLengthError, UnknownAlgorithmError } from '#repo/crypto/hash.ts'
import { cryptoVectors, hex, seq } from './vectors.ts'

describe('createHasher', () => {
  it('gives the digests of the vectors, whole and in parts', async () => {
    for (const v of cryptoVectors.hash) {
      for (const create of [createHasher, createTwinHasher]) {
        const hasher = await create(v.hash, hex(v.key))
        const data = hex(v.data)
        expect(hasher.digest(data).toString('hex'), v.hash).toBe(v.out)
        expect(hasher.sizeBytes).toBe(v.out.length / 2)
        expect(hasher.digest(data.subarray(0, 3), data.subarray(3)).toString('hex')).toBe(v.out)
        expect((await hasher.digestMany([data, Buffer.from('x'), data])).subarray(-hasher.sizeBytes).toString('hex')).toBe(v.out)
      }
    }
  })

  it('covers all eleven names', () => {
    expect(hashNames).toHaveLength(11)
    expect(new Set(cryptoVectors.hash.map((v) => v.hash))).toEqual(new Set(hashNames))
  })

  it('gives digests that later digests do not change', async () => {
    for (const name of hashNames) {
      const hasher = await createHasher(name, seq(0x40, 32))
      const first = hasher.digest(Buffer.from('a'))
      const copy = Buffer.from(first)
      hasher.digest(Buffer.from('b'))
      expect(first).toEqual(copy)
    }
  })

  it('hashes without a key where that is allowed', async () => {
    const hasher = await createHasher('BLAKE2B-256-128', Buffer.alloc(0))
    expect(hasher.digest(hex('010203')).toString('hex')).toBe('11c0e79b71c3976ccd0c02d1310e2516')
    expect(hasher.digest(hex('020304')).toString('hex')).toBe('24ff687b6ca564bd005a99420c90a0db')
    await expect(createHasher('BLAKE2S-128', Buffer.alloc(0))).rejects.toThrow(KeyLengthError)
  })

  it('derives the BLAKE3 key from a short secret and cuts a long one', async () => {
    const short = seq(0x40, 16)
    expect(blake3Key(short).toString('hex')).toBe('e894d5e0336e014c88557de53e806f02eed9ddddcf32aebba3342ca307cc2fde')
    const digest = (await createHasher('BLAKE3-256', short)).digest(Buffer.from('kopia interop'))
    expect(digest.toString('hex')).toBe('53cd1d078de251c12537d7fb6bf035882f8bf3acfa57eb29ed4e49d23870d560')
    const long = (await createHasher('BLAKE3-256', seq(0x40, 40))).digest(Buffer.from('m'))
    expect(long).toEqual((await createHasher('BLAKE3-256', seq(0x40, 32))).digest(Buffer.from('m')))
  })

  it('refuses unknown names and keys that are too long', async () => {
    await expect(createHasher('MD5', seq(0, 32))).rejects.toThrow(UnknownAlgorithmError)
    await expect(createHasher('MD5', seq(0, 32))).rejects.toThrow(/BLAKE2B-256-128/)
    await expect(createHasher('BLAKE2B-256', seq(0, 65))).rejects.toThrow(KeyLengthError)
    await expect(createHasher('BLAKE2S-256', seq(0, 33))).rejects.toThrow(KeyLengthError)
  })
})
