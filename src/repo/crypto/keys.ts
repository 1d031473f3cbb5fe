import { hkdfSync, pbkdf2, pbkdf2Sync, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { nativeAddon } from '#base/native.ts'
import { KeyLengthError, UnknownAlgorithmError } from './hash.ts'

/** Password key derivation of new repositories. */
export const defaultKeyAlgorithm = 'scrypt-65536-8-1'

/** The names of spec 01, 1.4. */
export const keyAlgorithmNames: readonly string[] = [defaultKeyAlgorithm, 'pbkdf2-sha256-600000']

const minSaltBytes = 16
const keyBytes = 32
// 128 × N × r is 64 MiB; OpenSSL wants somewhat more.
const scryptOptions = { N: 65536, r: 8, p: 1, maxmem: 68_157_440 }

const pbkdf2Async = promisify(pbkdf2)

async function scryptAsync(password: Buffer, salt: Uint8Array): Promise<Buffer> {
  const addon = nativeAddon()
  if (addon === undefined) {
    return new Promise((resolve, reject) => {
      scrypt(password, salt, keyBytes, scryptOptions, (error, key) => (error ? reject(error) : resolve(key)))
    })
  }
  // RFC 7914, section 6, with p = 1: what stands around the mixing takes no time.
  const state = pbkdf2Sync(password, salt, 1, 128 * scryptOptions.r, 'sha256')
  await addon.scryptMix(state, scryptOptions.N)
  return pbkdf2Sync(password, state, 1, keyBytes, 'sha256')
}

/** HKDF-SHA256 (RFC 5869), `length` bytes; text as UTF-8. Throws KeyLengthError for empty key material (spec 01, 1.5). */
export function hkdf(keyMaterial: Uint8Array, salt: Uint8Array | string, info: string, length: number): Buffer {
  if (keyMaterial.length === 0) throw new KeyLengthError(`cannot derive the key for ${JSON.stringify(info)}: the master key is empty`)
  return Buffer.from(hkdfSync('sha256', keyMaterial, salt, info, length))
}

/** 32-byte key from a password (used as given, UTF-8), in the thread pool; slow on purpose. `salt` has at least 16 bytes.
 *  Throws UnknownAlgorithmError, KeyLengthError. Source: spec 01, 1.4. */
export async function derivePasswordKey(algorithm: string, password: string, salt: Uint8Array): Promise<Buffer> {
  if (!keyAlgorithmNames.includes(algorithm)) throw new UnknownAlgorithmError('key derivation algorithm', algorithm, keyAlgorithmNames)
  if (salt.length < minSaltBytes) {
    throw new KeyLengthError(`cannot derive a key: the salt has ${salt.length} bytes and at least ${minSaltBytes} are needed`)
  }
  const bytes = Buffer.from(password, 'utf8')
  return algorithm === defaultKeyAlgorithm ? scryptAsync(bytes, salt) : pbkdf2Async(bytes, salt, 600_000, keyBytes, 'sha256')
}

/** What the derived keys depend on; a RepositoryFormat is one. */
export interface KeySource {
  readonly uniqueId: Uint8Array
  readonly secret: Uint8Array
  readonly masterKey: Uint8Array
  readonly enablePasswordChange: boolean
}

/** Secret of both content ciphers. The purpose is the salt here, not the info (spec 01, 1.15). */
export function encryptionSecret(masterKey: Uint8Array): Buffer {
  return hkdf(masterKey, 'encryption', '', 32)
}

/** AES key of `kopia.maintenance` (spec 01, 1.15). */
export function maintenanceKey(source: KeySource, formatKey: Uint8Array): Buffer {
  return hkdf(source.enablePasswordChange ? source.masterKey : formatKey, source.uniqueId, 'maintenance schedule', 32)
}

/** HMAC key of the local cache, 16 bytes (spec 01, 1.15). */
export function localCacheKey(source: KeySource, formatKey: Uint8Array): Buffer {
  return hkdf(source.enablePasswordChange ? source.secret : formatKey, source.uniqueId, 'local-cache-integrity', 16)
}

/** Master key of the content cache of a server connection (spec 01, 1.15). */
export function serverCacheKey(password: string, algorithm: string = defaultKeyAlgorithm): Promise<Buffer> {
  return derivePasswordKey(algorithm, password, Buffer.from('content-cache-protection'))
}
