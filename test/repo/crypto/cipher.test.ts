import { createCipheriv } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nativeAddon } from '#base/native.ts'
import { BlobNameError, blobIdentity, openBlob, sealBlob } from '#repo/crypto/blob-sealing.ts'
import { cipherNames, createCipher, openWithNoble, sealWithNoble } from '#repo/crypto/cipher.ts'
import { DecryptionError } from '#repo/crypto/errors.ts'
import { createHasher, UnknownAlgorithmError } from '#repo/crypto/hash.ts'
import { cryptoVectors, hex, seq } from './vectors.ts'

const format = (encryption: string, masterKey: Uint8Array, eccOverheadPercent = 0) => ({
  encryption,
  masterKey,
  ecc: eccOverheadPercent > 0 ? 'REED-SOLOMON-CRC32' : '',
  eccOverheadPercent,
})

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

describe('createCipher', () => {
  it('seals and opens the vectors', () => {
    for (const v of cryptoVectors.cipher) {
      const cipher = createCipher(format(v.encryption, hex(v.masterKey)), () => hex(v.nonce))
      expect(cipher.seal(hex(v.plain), hex(v.id)).toString('hex')).toBe(v.out)
      expect(cipher.open(hex(v.out), hex(v.id)).toString('hex')).toBe(v.plain)
    }
  })

  it('opens the check values with an identity of 32 bytes', () => {
    const key = Buffer.from('01234567890123456789012345678901')
    const identity = Buffer.from('aabbccddeeffgghhiijjkkllmmnnoopp')
    const values = [
      ['AES256-GCM-HMAC-SHA256', 'e43ba07f85a6d70c5f1102ca06cf19c597e5f91e527b21f00fb76e8bec3fd1'],
      ['CHACHA20-POLY1305-HMAC-SHA256', '118359f3d4d589d939efbbc3168ae4c77c51bcebce6845fe6ef5d11342faa6'],
    ] as const
    for (const [name, sealed] of values) expect(createCipher(format(name, key)).open(hex(sealed), identity).toString()).toBe('foo')
  })

  it('refuses changed bytes, another identity and short data', async () => {
    for (const name of cipherNames) {
      const cipher = createCipher(format(name, seq(0x60, 32)))
      const sealed = cipher.seal(Buffer.alloc(20000, 7), seq(0x10, 16))
      expect(sealed.length).toBe(20000 + cipher.overheadBytes)
      for (const at of [0, 11, 12, 10000, sealed.length - 1]) {
        const bad = Buffer.from(sealed)
        bad[at] = (bad[at] as number) ^ 1
        expect(() => cipher.open(bad, seq(0x10, 16))).toThrow(DecryptionError)
        await expect(cipher.openAsync(bad, seq(0x10, 16))).rejects.toThrow(DecryptionError)
      }
      expect(() => cipher.open(sealed, seq(0x11, 16))).toThrow(DecryptionError)
      expect(() => cipher.open(sealed.subarray(0, 27), seq(0x10, 16))).toThrow(DecryptionError)
    }
  })

  it('opens what it seals, together or one by one, with and without error correction', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...cipherNames),
        fc.constantFrom(0, 2, 10),
        fc.array(fc.integer({ min: 0, max: 20000 }), { minLength: 1, maxLength: 5 }),
        async (name, percent, lengths) => {
          const cipher = createCipher(format(name, seq(1, 32), percent))
          const plains = lengths.map((n, i) => Buffer.alloc(n, i + 1))
          const identities = lengths.map((_, i) => seq(i, 16))
          const sealed = await cipher.sealMany(plains, identities)
          for (const [i, plain] of plains.entries()) {
            const data = sealed[i] as Buffer
            expect(cipher.open(data, identities[i] as Buffer).equals(plain)).toBe(true)
            expect((await cipher.openAsync(data, identities[i] as Buffer)).equals(plain)).toBe(true)
          }
        },
      ),
      { numRuns: 25 },
    )
  })

  it('uses a new nonce for every message', () => {
    const cipher = createCipher(format('AES256-GCM-HMAC-SHA256', seq(1, 32)))
    const nonces = new Set(Array.from({ length: 100 }, () => cipher.seal(Buffer.alloc(0), seq(0, 16)).toString('hex', 0, 12)))
    expect(nonces.size).toBe(100)
  })

  it('has a ChaCha20-Poly1305 of its own that agrees with OpenSSL', () => {
    fc.assert(
      fc.property(bytes(32), bytes(12), fc.uint8Array({ maxLength: 300 }), bytes(16), (key, nonce, plain, identity) => {
        const reference = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 })
        reference.setAAD(identity, { plaintextLength: plain.length })
        const wanted = Buffer.concat([nonce, reference.update(plain), reference.final(), reference.getAuthTag()])
        const out = Buffer.alloc(plain.length + 28)
        out.set(nonce)
        sealWithNoble(Buffer.from(key), nonce, plain, identity, out)
        expect(out).toEqual(wanted)
        expect(openWithNoble(Buffer.from(key), wanted, identity)).toEqual(Buffer.from(plain))
        wanted[wanted.length - 1] = (wanted[wanted.length - 1] as number) ^ 1
        expect(() => openWithNoble(Buffer.from(key), wanted, identity)).toThrow(DecryptionError)
      }),
    )
  })

  it('calls only a wrong tag a failed decryption', async () => {
    expect(() => openWithNoble(Buffer.alloc(5), Buffer.alloc(40), Buffer.alloc(16))).not.toThrow(DecryptionError)
    expect(() => openWithNoble(Buffer.alloc(5), Buffer.alloc(40), Buffer.alloc(16))).toThrow()
    for (const name of cipherNames) {
      const cipher = createCipher(format(name, seq(0x60, 32)))
      const wrong = cipher.openAsync(Buffer.alloc(20000), 'not bytes' as unknown as Buffer)
      const error = await wrong.catch((e: unknown) => e)
      // Without the addon the text is taken as the identity it spells: then the tag is wrong indeed.
      if (nativeAddon()) expect(error).not.toBeInstanceOf(DecryptionError)
      expect(error).toBeInstanceOf(Error)
    }
  })

  it('refuses unknown names', () => {
    expect(() => createCipher(format('AES128-CTR', seq(0, 32)))).toThrow(UnknownAlgorithmError)
  })
})

describe('sealBlob', () => {
  it('gives the names and bytes of the vectors', async () => {
    for (const v of cryptoVectors.wholeBlob) {
      const hasher = await createHasher(v.hash, hex(v.secret))
      const cipher = createCipher(format(v.encryption, hex(v.masterKey)), () => hex(v.nonce))
      const sealed = sealBlob(hasher, cipher, v.prefix, hex(v.payload), v.suffix)
      expect(sealed.id).toBe(v.blobID)
      expect(sealed.data.toString('hex')).toBe(v.bytes)
      expect(blobIdentity(sealed.id).toString('hex')).toBe(v.iv)
      expect(openBlob(cipher, sealed.id, sealed.data).toString('hex')).toBe(v.payload)
    }
  })

  it('refuses names without a hash', () => {
    for (const id of ['', 'n', 'n0123-s1', `n${'0'.repeat(31)}g`, `-${'0'.repeat(32)}`])
      expect(() => blobIdentity(id)).toThrow(BlobNameError)
  })
})
