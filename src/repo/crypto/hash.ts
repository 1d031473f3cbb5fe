import { createHmac } from 'node:crypto'
import { blake3 } from '@noble/hashes/blake3.js'
import type { IHasher } from 'hash-wasm'
import { KuraError } from '#base/errors.ts'
import { nativeAddon } from '#base/native.ts'
import { sharedRanges } from '#base/shared-ranges.ts'
import type { Hasher } from './algorithms.ts'

/** A hash, cipher, ECC or key-derivation name that the format does not know. */
export class UnknownAlgorithmError extends KuraError {
  readonly code = 'UNKNOWN_ALGORITHM'

  constructor(kind: string, name: string, known: readonly string[]) {
    super(`unknown ${kind} ${JSON.stringify(name)}; the known ones are ${known.join(', ')}`)
  }
}

/** A key of a length that the algorithm does not take. */
export class KeyLengthError extends KuraError {
  readonly code = 'KEY_LENGTH'
}

type Family =
  | { readonly kind: 'blake2b' | 'blake2s' | 'blake3'; readonly bits: number; readonly maxKeyBytes: number }
  | { readonly kind: 'hmac'; readonly digest: string }

interface HashSpec {
  readonly sizeBytes: number
  readonly family: Family
}

const blake2b: Family = { kind: 'blake2b', bits: 256, maxKeyBytes: 64 }
const blake3Keyed: Family = { kind: 'blake3', bits: 256, maxKeyBytes: Number.POSITIVE_INFINITY }
const hmac = (digest: string): Family => ({ kind: 'hmac', digest })

const specs: ReadonlyMap<string, HashSpec> = new Map<string, HashSpec>([
  ['BLAKE2B-256', { sizeBytes: 32, family: blake2b }],
  ['BLAKE2B-256-128', { sizeBytes: 16, family: blake2b }],
  ['BLAKE2S-128', { sizeBytes: 16, family: { kind: 'blake2s', bits: 128, maxKeyBytes: 32 } }],
  ['BLAKE2S-256', { sizeBytes: 32, family: { kind: 'blake2s', bits: 256, maxKeyBytes: 32 } }],
  ['BLAKE3-256', { sizeBytes: 32, family: blake3Keyed }],
  ['BLAKE3-256-128', { sizeBytes: 16, family: blake3Keyed }],
  ['HMAC-SHA224', { sizeBytes: 28, family: hmac('sha224') }],
  ['HMAC-SHA256', { sizeBytes: 32, family: hmac('sha256') }],
  ['HMAC-SHA256-128', { sizeBytes: 16, family: hmac('sha256') }],
  ['HMAC-SHA3-224', { sizeBytes: 28, family: hmac('sha3-224') }],
  ['HMAC-SHA3-256', { sizeBytes: 32, family: hmac('sha3-256') }],
])

/** The names of spec 01, 1.16. */
export const hashNames: readonly string[] = [...specs.keys()]

/** The hash of new repositories (spec 01, 1.8). */
export const defaultHashName = 'BLAKE2B-256-128'

/** Throws UnknownAlgorithmError unless `name` is one of hashNames. */
export function checkHashName(name: string): void {
  if (!specs.has(name)) throw new UnknownAlgorithmError('hash', name, hashNames)
}

/** A keyed hash by registry name. `secret` is the HMAC secret of the repository. Uses the native addon where it has the algorithm.
 *  Throws UnknownAlgorithmError, KeyLengthError. Source: spec 01, 1.16. */
export async function createHasher(name: string, secret: Uint8Array): Promise<Hasher> {
  const spec = specs.get(name)
  if (!spec) throw new UnknownAlgorithmError('hash', name, hashNames)
  checkKey(name, spec.family, secret)
  const native = nativeAddon()
  if (!native?.digests.includes(name)) return createTwinHasher(name, secret)
  const key = spec.family.kind === 'blake3' ? blake3Key(secret) : Buffer.from(secret)
  return {
    name,
    sizeBytes: spec.sizeBytes,
    digest(...parts) {
      const out = Buffer.alloc(spec.sizeBytes)
      native.digest(name, key, parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts), out)
      return out
    },
    async digestMany(messages) {
      const out = Buffer.alloc(spec.sizeBytes * messages.length)
      if (messages.length === 0) return out
      const shared = sharedRanges(messages)
      if (shared) await native.digestRanges(name, key, shared.whole, shared.ranges, out)
      else await native.digestMany(name, key, messages, out)
      return out
    },
  }
}

/** The same without the addon. */
export async function createTwinHasher(name: string, secret: Uint8Array): Promise<Hasher> {
  const spec = specs.get(name)
  if (!spec) throw new UnknownAlgorithmError('hash', name, hashNames)
  checkKey(name, spec.family, secret)
  const twin = await createTwin(spec, Buffer.from(secret))
  const digest = (...parts: readonly Uint8Array[]): Buffer => twin(parts)
  return { name, sizeBytes: spec.sizeBytes, digest, digestMany: async (messages) => Buffer.concat(messages.map((m) => twin([m]))) }
}

function checkKey(name: string, family: Family, key: Uint8Array): void {
  if (family.kind !== 'hmac' && key.length > family.maxKeyBytes) {
    throw new KeyLengthError(`the key of ${name} has ${key.length} bytes; at most ${family.maxKeyBytes} are allowed`)
  }
  if (name === 'BLAKE2S-128' && key.length === 0) throw new KeyLengthError('BLAKE2S-128 needs a key; the repository has no HMAC secret')
}

async function createTwin(spec: HashSpec, key: Buffer): Promise<(parts: readonly Uint8Array[]) => Buffer> {
  const { family, sizeBytes } = spec
  if (family.kind === 'hmac') {
    return (parts) => {
      const mac = createHmac(family.digest, key)
      for (const part of parts) mac.update(part)
      const full = mac.digest()
      return full.length === sizeBytes ? full : full.subarray(0, sizeBytes)
    }
  }
  const state = await createWasm(family.kind, family.bits, key)
  // One digest runs from init to its end without giving up the thread, so a shared state is never seen half-way.
  return (parts) => {
    state.init()
    for (const part of parts) state.update(part)
    const full = state.digest('binary')
    return Buffer.from(full.buffer, full.byteOffset, sizeBytes)
  }
}

async function createWasm(kind: 'blake2b' | 'blake2s' | 'blake3', bits: number, key: Buffer): Promise<IHasher> {
  // Some 150 KB of encoded WebAssembly: loaded only where the addon does not do the work.
  const { createBLAKE2b, createBLAKE2s, createBLAKE3 } = await import('hash-wasm')
  const orNone = key.length > 0 ? key : undefined
  if (kind === 'blake2b') return createBLAKE2b(bits, orNone)
  if (kind === 'blake2s') return createBLAKE2s(bits, orNone)
  return createBLAKE3(bits, blake3Key(key))
}

/** The 32-byte key of the BLAKE3 hashes: the first 32 bytes of the secret, or one derived from a shorter one (spec 01, 1.16). */
export function blake3Key(secret: Uint8Array): Buffer {
  if (secret.length >= 32) return Buffer.from(secret.subarray(0, 32))
  return Buffer.from(blake3(secret, { context: Buffer.from('kopia blake3 derived key v1') }))
}
