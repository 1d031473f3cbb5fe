import { KuraError } from '#base/errors.ts'
import type { Cipher, Hasher } from './algorithms.ts'

/** A blob name that carries no hash to decrypt the blob with. */
export class BlobNameError extends KuraError {
  readonly code = 'BLOB_NAME'
}

/** An encrypted blob and the name it goes by. */
export interface SealedBlob {
  readonly id: string
  readonly data: Buffer
}

/** Encrypts a whole blob: name = prefix || hex(hash) [|| "-" || suffix] (spec 01, 1.19). */
export function sealBlob(hasher: Hasher, cipher: Cipher, prefix: string, payload: Uint8Array, suffix = ''): SealedBlob {
  const hash = hasher.digest(payload).toString('hex')
  const id = suffix === '' ? prefix + hash : `${prefix}${hash}-${suffix}`
  return { id, data: cipher.seal(payload, blobIdentity(id)) }
}

/** The 16 bytes that key the encryption of a whole blob, from its name. Throws BlobNameError. Source: spec 01, 1.19. */
export function blobIdentity(id: string): Buffer {
  const dash = id.indexOf('-')
  const digits = (dash < 0 ? id : id.slice(0, dash)).slice(-32)
  if (!/^[0-9a-fA-F]{32}$/.test(digits)) {
    throw new BlobNameError(
      `blob name ${JSON.stringify(id)} does not end in a hash of at least 32 hex digits; the blob cannot be decrypted`,
    )
  }
  return Buffer.from(digits, 'hex')
}

/** Decrypts a whole blob. Throws BlobNameError, DecryptionError. The hash in the name is not checked again (spec 01, 1.19). */
export function openBlob(cipher: Cipher, id: string, data: Uint8Array): Buffer {
  return cipher.open(data, blobIdentity(id))
}
