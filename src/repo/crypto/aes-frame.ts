import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { DecryptionError } from './errors.ts'

const nonceBytes = 12
const tagBytes = 16

/** nonce(12) || AES-256-GCM ciphertext || tag(16), as `kopia.repository`, `kopia.blobcfg` and `kopia.maintenance` are framed
 *  (spec 01, 1.5 and 1.15). `nonce` is random unless given, which only tests may do. */
export function sealAesFrame(key: Uint8Array, aad: Uint8Array, plain: Uint8Array, nonce: Uint8Array = randomBytes(nonceBytes)): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad)
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** Inverse of sealAesFrame. Throws DecryptionError. */
export function openAesFrame(key: Uint8Array, aad: Uint8Array, frame: Uint8Array): Buffer {
  if (frame.length < nonceBytes + tagBytes) throw new DecryptionError(`the encrypted data has only ${frame.length} bytes; it is damaged`)
  const end = frame.length - tagBytes
  const decipher = createDecipheriv('aes-256-gcm', key, frame.subarray(0, nonceBytes), { authTagLength: tagBytes })
  decipher.setAAD(aad).setAuthTag(frame.subarray(end))
  const plain = decipher.update(frame.subarray(nonceBytes, end))
  try {
    decipher.final()
    return plain
  } catch (cause) {
    throw new DecryptionError('the data does not decrypt: wrong key, or it is damaged', { cause })
  }
}
