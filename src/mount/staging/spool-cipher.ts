import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { StagingError } from './lock.ts'

const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16
const blockBytes = 16

/** Encrypts what lies in segments, which only grow: AES-256-CTR (NIST SP 800-38A). Counter = 8 random bytes of the segment, then the number of
 *  the block in it as 64 bits, so that any part can be read alone and no counter is used twice. */
export class SpoolCipher {
  constructor(private readonly key: Buffer) {}

  /** Bytes of a segment from `at` on, encrypted or decrypted. `nonce`: 8 bytes. */
  apply(nonce: Uint8Array, at: number, data: Uint8Array): Buffer {
    const counter = Buffer.alloc(blockBytes)
    counter.set(nonce)
    counter.writeBigUInt64BE(BigInt(Math.floor(at / blockBytes)), 8)
    const cipher = createCipheriv('aes-256-ctr', this.key, counter)
    const skipped = at % blockBytes
    if (skipped > 0) cipher.update(Buffer.alloc(skipped))
    return cipher.update(data)
  }
}

export const newSpoolKey = (): Buffer => randomBytes(keyBytes)

/** The key of a spool as it stands in the journal: AES-256-GCM under a key of the repository; base64. */
export function sealSpoolKey(key: Buffer, secret: Buffer): string {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', secret, nonce)
  return Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()]).toString('base64')
}

/** StagingError when the repository's key is not the one that it was sealed with. */
export function openSpoolKey(sealed: string, secret: Buffer | undefined): Buffer {
  const bytes = Buffer.from(sealed, 'base64')
  try {
    if (secret === undefined || bytes.length !== nonceBytes + keyBytes + tagBytes) throw new RangeError()
    const cipher = createDecipheriv('aes-256-gcm', secret, bytes.subarray(0, nonceBytes)).setAuthTag(bytes.subarray(-tagBytes))
    return Buffer.concat([cipher.update(bytes.subarray(nonceBytes, -tagBytes)), cipher.final()])
  } catch {
    throw new StagingError('the staging area is encrypted for another repository, or this connection does not have its key')
  }
}
