import { describe, expect, it } from 'vitest'
import { openAesFrame, sealAesFrame } from '#repo/crypto/aes-frame.ts'
import { DecryptionError } from '#repo/crypto/errors.ts'
import { KeyLengthError, UnknownAlgorithmError } from '#repo/crypto/hash.ts'
import { derivePasswordKey, encryptionSecret, hkdf, localCacheKey, maintenanceKey, serverCacheKey } from '#repo/crypto/keys.ts'
import { cryptoVectors, formatBlobVectors, hex, seq } from './vectors.ts'

const { keys } = cryptoVectors
const key = (name: string): Buffer => hex(keys[name] as string)

describe('derivePasswordKey', () => {
  it.each(cryptoVectors.kdf)('gives the vector of $algo for "$password"', async (v) => {
    expect((await derivePasswordKey(v.algo, v.password, hex(v.salt))).toString('hex')).toBe(v.key)
  })

  it('refuses unknown algorithms and short salts', async () => {
    await expect(derivePasswordKey('', 'x', seq(0, 32))).rejects.toThrow(UnknownAlgorithmError)
    await expect(derivePasswordKey('testing-only-insecure', 'x', seq(0, 32))).rejects.toThrow(UnknownAlgorithmError)
    await expect(derivePasswordKey('scrypt-65536-8-1', 'x', seq(0, 15))).rejects.toThrow(KeyLengthError)
  })
})

describe('derived keys', () => {
  const source = { uniqueId: key('uniqueID'), secret: key('secret'), masterKey: key('masterKey'), enablePasswordChange: true }
  const old = { ...source, enablePasswordChange: false }
  const formatKey = key('formatKey')

  it('are those of the vectors', async () => {
    const check = hkdf(Buffer.from('ABCDEFGHIJKLMNOP'), '0123456789012345', 'the-test-purpose', 32)
    expect(check.toString('hex')).toBe('828769ee8969bc37f11dbaa32838f8db6c19daa6e3ae5f5eed2da2d94d8faddb')
    expect(encryptionSecret(source.masterKey)).toEqual(key('encryptionSecret'))
    expect(maintenanceKey(source, formatKey)).toEqual(key('maintenanceKey'))
    expect(maintenanceKey(old, formatKey)).toEqual(key('maintenanceKeyWithoutPasswordChange'))
    expect(localCacheKey(source, formatKey)).toEqual(key('localCacheKey'))
    expect(localCacheKey(old, formatKey)).toEqual(key('localCacheKeyWithoutPasswordChange'))
    const server = await serverCacheKey('sample-password')
    expect(server.toString('hex')).toBe('24fd94b086a9f5190faa44b953a7ea9f19074380f2c31bcc4c2826cdeafee561')
  })

  it('are never made of an empty key', () => {
    expect(() => encryptionSecret(Buffer.alloc(0))).toThrow(KeyLengthError)
  })
})

describe('AES frames', () => {
  it('open the maintenance schedules that Kopia wrote', () => {
    for (const blob of formatBlobVectors.blobs) {
      const sealed = blob['kopia.maintenance']
      if (sealed === undefined) continue
      const plain = openAesFrame(hex(blob.maintenanceKey), Buffer.from('maintenance'), Buffer.from(sealed, 'base64'))
      expect(plain.toString()).toBe(blob.maintenance)
    }
  })

  it('refuse damage', () => {
    const frame = sealAesFrame(key('formatAesKey'), key('formatAad'), Buffer.from('{}'), seq(0xa0, 12))
    expect(frame.toString('hex')).toBe('a0a1a2a3a4a5a6a7a8a9aaaba7e9d66ecb3aed44c6218cbd9b306978c097')
    frame[13] = 0
    expect(() => openAesFrame(key('formatAesKey'), key('formatAad'), frame)).toThrow(DecryptionError)
    expect(() => openAesFrame(key('formatAesKey'), key('formatAad'), frame.subarray(0, 20))).toThrow(DecryptionError)
  })
})
