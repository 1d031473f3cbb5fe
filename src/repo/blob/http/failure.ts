import { messageOf, systemCode } from '#base/errors.ts'
import { BlobRangeError, StorageError, TransientStorageError } from '../errors.ts'
import type { BlobId, ByteRange } from '../storage.ts'
import { storageErrorOf } from '../system-errors.ts'

const certificateCodes = /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(?:GET_ISSUER|VERIFY)|ERR_TLS_CERT|HOSTNAME_MISMATCH)/

/** A request that got no answer, as a StorageError: certificates and unknown hosts are final, broken connections are worth retrying.
 *  `at` says what failed, on what. */
export function connectionError(error: unknown, at: string): StorageError {
  const code = systemCode(error) ?? ''
  const cause = { cause: error }
  if (certificateCodes.test(code))
    return new StorageError(
      `${at}: the server's certificate is not trusted (${messageOf(error)}). Check the host name and the trusted certificates.`,
      cause,
    )
  if (code === 'ENOTFOUND') return new StorageError(`${at}: there is no such host. Check the address and the network.`, cause)
  if (code === 'EPROTO') return new StorageError(`${at}: the server does not speak TLS there (${messageOf(error)}).`, cause)
  return storageErrorOf(error, at)
}

/** Whether an HTTP status may pass by itself. */
export const isTransientStatus = (status: number): boolean => status >= 500 || status === 429 || status === 408

/** An answer that says the request failed, as a StorageError worth retrying or not. */
export function statusError(status: number, message: string): StorageError {
  return isTransientStatus(status) ? new TransientStorageError(message) : new StorageError(message)
}

/** A range that came with another length than was asked for. `contentRange`: header of the answer (RFC 9110, 14.4): when the blob has all the
 *  bytes, the answer was broken on its way; else the blob is too short. */
export function wrongLength(
  id: BlobId,
  range: ByteRange,
  gotBytes: number,
  contentRange: string | undefined,
): BlobRangeError | StorageError {
  const detail = `wanted ${range.length} bytes at ${range.offset}, got ${gotBytes}`
  const total = /\/(\d+)$/.exec(contentRange ?? '')?.[1]
  if (total !== undefined && Number(total) >= range.offset + range.length) return new TransientStorageError(`reading blob ${id}: ${detail}`)
  return new BlobRangeError(id, detail)
}
