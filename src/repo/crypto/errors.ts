import { KuraError } from '#base/errors.ts'

/** Data that does not decrypt: wrong key, wrong identity, or damage. */
export class DecryptionError extends KuraError {
  readonly code = 'DECRYPTION'
}

/** More shards of a block are damaged than error correction can rebuild. */
export class TooManyErrorsError extends DecryptionError {}
