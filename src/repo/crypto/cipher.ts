import { createCipheriv, createDecipheriv, createHmac, getCiphers, randomFillSync } from 'node:crypto'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { messageOf, systemCode } from '#base/errors.ts'
import { nativeAddon } from '#base/native.ts'
import type { NativeAddon } from '#base/native-addon.ts'
import { sharedRanges } from '#base/shared-ranges.ts'
import { type Cipher, nonceBytes, tagBytes } from './algorithms.ts'
import { createEcc, type Ecc, isEccActive } from './ecc-layout.ts'
import { DecryptionError } from './errors.ts'
import { UnknownAlgorithmError } from './hash.ts'
import { encryptionSecret } from './keys.ts'

/** The part of a RepositoryFormat that content encryption depends on. */
export interface CipherFormat {
  readonly encryption: string
  readonly masterKey: Uint8Array
  readonly ecc: string
  readonly eccOverheadPercent: number
}

const identityBytes = 16
const overheadBytes = nonceBytes + tagBytes
/** Below this a trip to the thread pool costs more than the work. */
const smallBytes = 8192

const algorithms: ReadonlyMap<string, { readonly openssl: string; readonly native: number }> = new Map([
  ['AES256-GCM-HMAC-SHA256', { openssl: 'aes-256-gcm', native: 0 }],
  ['CHACHA20-POLY1305-HMAC-SHA256', { openssl: 'chacha20-poly1305', native: 1 }],
])

/** The names of spec 01, 1.17. */
export const cipherNames: readonly string[] = [...algorithms.keys()]

/** The encryption of new repositories (spec 01, 1.8). */
export const defaultCipherName = 'AES256-GCM-HMAC-SHA256'

/** Throws UnknownAlgorithmError unless `name` is one of cipherNames. */
export function checkCipherName(name: string): void {
  if (!algorithms.has(name)) throw new UnknownAlgorithmError('encryption', name, cipherNames)
}

/** Seals one plaintext; the nonce is random unless a test gives one. */
type Seal = (key: Buffer, nonce: Uint8Array, plain: Uint8Array, aad: Uint8Array, out: Buffer) => void
type Open = (key: Buffer, sealed: Uint8Array, aad: Uint8Array) => Buffer

/** The content encryption of a repository, with error correction around it when that is active. `randomNonce` replaces the source of
 *  nonces in tests. Throws UnknownAlgorithmError, KeyLengthError. Source: spec 01, 1.17, 1.18, 1.20. */
export function createCipher(format: CipherFormat, randomNonce?: () => Uint8Array): Cipher {
  const algorithm = algorithms.get(format.encryption)
  if (!algorithm) throw new UnknownAlgorithmError('encryption', format.encryption, cipherNames)
  const ecc = isEccActive(format) ? createEcc(format.ecc, format.eccOverheadPercent) : undefined
  const secret = encryptionSecret(format.masterKey)
  const twin = getCiphers().includes(algorithm.openssl)
    ? { seal: sealWith(algorithm.openssl as 'aes-256-gcm'), open: openWith(algorithm.openssl as 'aes-256-gcm') }
    : { seal: sealWithNoble, open: openWithNoble }
  return new ContentCipher(format.encryption, algorithm.native, secret, twin.seal, twin.open, ecc, randomNonce)
}

class ContentCipher implements Cipher {
  readonly overheadBytes = overheadBytes
  readonly openFile: Cipher['openFile']
  readonly sealInPlace: Cipher['sealInPlace']
  readonly openRanges: Cipher['openRanges']

  constructor(
    readonly name: string,
    private readonly nativeNumber: number,
    private readonly secret: Buffer,
    private readonly sealInto: Seal,
    private readonly openOne: Open,
    private readonly ecc: Ecc | undefined,
    private readonly randomNonce: (() => Uint8Array) | undefined,
  ) {
    const native = nativeAddon()
    this.openFile =
      native?.openFile && !ecc
        ? async (fd, offset, length, identity, memory) =>
            native.openFile(nativeNumber, secret, fd, offset, length, identity, memory?.(length - overheadBytes))
        : undefined
    this.openRanges = native && !ecc ? (whole, ranges, identities) => this.openTogether(native, whole, ranges, identities) : undefined
    this.sealInPlace =
      native && !ecc && !randomNonce
        ? async (plains, identities) => {
            const edges = Buffer.allocUnsafeSlow(plains.length * overheadBytes)
            await native.sealInPlace(nativeNumber, secret, plains, Buffer.concat(identities), edges)
            return edges
          }
        : undefined
  }

  seal(plain: Uint8Array, identity: Uint8Array): Buffer {
    const out = Buffer.allocUnsafe(plain.length + overheadBytes)
    if (this.randomNonce) out.set(this.randomNonce(), 0)
    else randomFillSync(out, 0, nonceBytes)
    this.sealInto(this.keyOf(identity), out.subarray(0, nonceBytes), plain, identity, out)
    return this.ecc ? this.ecc.encode(out) : out
  }

  open(sealed: Uint8Array, identity: Uint8Array): Buffer {
    return this.openOne(this.keyOf(identity), this.withoutEcc(sealed), identity)
  }

  async sealMany(plains: readonly Uint8Array[], identities: readonly Uint8Array[]): Promise<Buffer[]> {
    const native = nativeAddon()
    let totalBytes = 0
    for (const plain of plains) totalBytes += plain.length
    if (!native || this.randomNonce || totalBytes < smallBytes) return plains.map((p, i) => this.seal(p, identities[i] as Uint8Array))
    const sealed = await this.sealTogether(native, plains, identities, totalBytes)
    const { ecc } = this
    return ecc ? sealed.map((s) => ecc.encode(s)) : sealed
  }

  /** Results are views into one piece of memory: an allocation for each would cost more than the sealing of small ones. */
  private async sealTogether(
    native: NativeAddon,
    plains: readonly Uint8Array[],
    identities: readonly Uint8Array[],
    totalBytes: number,
  ): Promise<Buffer[]> {
    const out = Buffer.allocUnsafeSlow(totalBytes + plains.length * overheadBytes)
    const shared = identities.every((id) => id.length === identityBytes) ? sharedRanges(plains) : undefined
    if (shared) await native.sealRanges(this.nativeNumber, this.secret, shared.whole, shared.ranges, Buffer.concat(identities), out)
    else await native.sealMany(this.nativeNumber, this.secret, plains, identities, out)
    let at = 0
    return plains.map(({ length }) => {
      const start = at
      at += length + overheadBytes
      return out.subarray(start, at)
    })
  }

  private async openTogether(
    native: NativeAddon,
    whole: Uint8Array,
    ranges: Uint32Array,
    identities: Uint8Array,
  ): Promise<(Buffer | undefined)[]> {
    const count = ranges.length / 2
    const lengths = Array.from({ length: count }, (_, i) => (ranges[2 * i + 1] as number) - overheadBytes)
    const out = Buffer.allocUnsafeSlow(lengths.reduce((sum, n) => sum + n, 0))
    const states = new Uint8Array(count)
    await native.openRanges(this.nativeNumber, this.secret, whole, ranges, identities, out, states)
    let at = 0
    return lengths.map((length, i) => {
      at += length
      return states[i] === 1 ? out.subarray(at - length, at) : undefined
    })
  }

  async openAsync(sealed: Uint8Array, identity: Uint8Array, memory?: (sizeBytes: number) => Buffer): Promise<Buffer> {
    const native = nativeAddon()
    if (!native || sealed.length < smallBytes) return this.open(sealed, identity)
    const inner = this.withoutEcc(sealed)
    if (inner.length < overheadBytes) throw tooShort(inner.length)
    try {
      return await native.open(this.nativeNumber, this.secret, inner, identity, memory?.(inner.length - overheadBytes))
    } catch (cause) {
      // Memory that ran out, say, is no damage: nobody must go and repair what is whole.
      if (systemCode(cause) !== 'TAG_MISMATCH') throw cause
      throw doesNotDecrypt(cause)
    }
  }

  private withoutEcc(sealed: Uint8Array): Uint8Array {
    return this.ecc ? this.ecc.decode(sealed) : sealed
  }

  private keyOf(identity: Uint8Array): Buffer {
    return createHmac('sha256', this.secret).update(identity).digest()
  }
}

const tooShort = (length: number): DecryptionError =>
  new DecryptionError(`the encrypted data has ${length} bytes and at least ${overheadBytes} are needed; it is damaged`)

const doesNotDecrypt = (cause: unknown): DecryptionError =>
  new DecryptionError('the data does not decrypt: it is damaged, or was made with another key or for another identity', { cause })

function sealWith(algorithm: 'aes-256-gcm'): Seal {
  return (key, nonce, plain, aad, out) => {
    const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes })
    cipher.setAAD(aad)
    out.set(cipher.update(plain), nonceBytes)
    cipher.final()
    out.set(cipher.getAuthTag(), out.length - tagBytes)
  }
}

function openWith(algorithm: 'aes-256-gcm'): Open {
  return (key, sealed, aad) => {
    if (sealed.length < overheadBytes) throw tooShort(sealed.length)
    const end = sealed.length - tagBytes
    const decipher = createDecipheriv(algorithm, key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes })
    decipher.setAAD(aad)
    decipher.setAuthTag(sealed.subarray(end))
    const plain = decipher.update(sealed.subarray(nonceBytes, end))
    try {
      decipher.final()
    } catch (cause) {
      throw doesNotDecrypt(cause)
    }
    return plain
  }
}

/** ChaCha20-Poly1305 in JavaScript, for an OpenSSL without it (FIPS builds). */
export const sealWithNoble: Seal = (key, nonce, plain, aad, out) => {
  out.set(chacha20poly1305(key, nonce, aad).encrypt(plain), nonceBytes)
}

/** Inverse of sealWithNoble. Throws DecryptionError. */
export const openWithNoble: Open = (key, sealed, aad) => {
  if (sealed.length < overheadBytes) throw tooShort(sealed.length)
  const cipher = chacha20poly1305(key, sealed.subarray(0, nonceBytes), aad)
  try {
    const plain = cipher.decrypt(sealed.subarray(nonceBytes))
    return Buffer.from(plain.buffer, plain.byteOffset, plain.length)
  } catch (cause) {
    if (messageOf(cause) !== 'invalid tag') throw cause
    throw doesNotDecrypt(cause)
  }
}
