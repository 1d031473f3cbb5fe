import { KuraError, messageOf } from '#base/errors.ts'
import { BlobNotFoundError, BlobRangeError, CredentialsError, StorageError, StorageFullError, TransientStorageError } from '../errors.ts'
import { connectionError, isTransientStatus } from '../http/failure.ts'
import type { BlobId } from '../storage.ts'
import type { S3Options } from './options.ts'

interface SdkError {
  readonly name?: string
  readonly $metadata?: { readonly httpStatusCode?: number }
}

const wrongKeys = new Set(['InvalidAccessKeyId', 'SignatureDoesNotMatch', 'InvalidToken', 'AuthorizationHeaderMalformed'])
const noKeys = new Set(['CredentialsProviderError', 'ProviderError', 'TokenProviderError'])
const full = new Set(['QuotaExceeded', 'XMinioStorageFull', 'InsufficientStorage', 'EntityTooLargeForQuota'])
const passing = new Set([
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'RequestTimeout',
  'RequestLimitExceeded',
  'BadDigest',
  'InternalError',
])

/** What the SDK threw as an error of ours. `verb`: what was tried; `id`: the blob, when it was one. Source: spec 04, 4.3.2. */
export function s3Failure(error: unknown, options: S3Options, verb: string, id?: BlobId): unknown {
  if (error instanceof KuraError) return error
  const { name = '', $metadata } = error as SdkError
  const status = $metadata?.httpStatusCode
  const at = `cannot ${verb} in bucket ${options.bucket} at ${options.endpoint}`
  const cause = { cause: error }
  if (messageOf(error).includes('The provided token has expired') || name === 'ExpiredToken')
    return new CredentialsError(`${at}: the provided token has expired. Connect again with a new one.`, cause)
  if (noKeys.has(name))
    return new CredentialsError(
      `${at}: the role of this machine or container gives no keys (${messageOf(error).split('\n')[0]}). Check the role, or give --access-key and --secret-access-key.`,
      cause,
    )
  if (name === 'NoSuchBucket') return new StorageError(`${at}: there is no such bucket. Check --bucket, --endpoint and --region.`, cause)
  if (name === 'RequestTimeTooSkewed') return new StorageError(`${at}: the clocks differ too much. Set this machine's clock.`, cause)
  if (wrongKeys.has(name))
    return new CredentialsError(`${at}: the keys are not accepted (${name}). Check --access-key and --secret-access-key.`, cause)
  if (name === 'PermanentRedirect' || status === 301)
    return new StorageError(`${at}: the bucket is in another region. Check --region and --endpoint.`, cause)
  if (full.has(name) || status === 507)
    return new StorageFullError(`${at}: the quota is used up (${name}). Free some space or raise the quota, then try again.`, cause)
  if (status === 404 && id !== undefined) return new BlobNotFoundError(id, cause)
  if (status === 416 && id !== undefined) return new BlobRangeError(id, 'the service has no such range', cause)
  if (status === 403 && !passing.has(name))
    return new CredentialsError(`${at}: access denied. The keys need rights to list, read, write and delete there.`, cause)
  return otherFailure(error, at, name, status)
}

function otherFailure(error: unknown, at: string, name: string, status: number | undefined): StorageError {
  const cause = { cause: error }
  // An answer of 2xx that still failed was broken on its way.
  const broken = status !== undefined && status < 300
  if (passing.has(name) || broken || (status !== undefined && isTransientStatus(status)))
    return new TransientStorageError(`${at}: ${name} ${messageOf(error)}`, cause)
  if (
    status === undefined &&
    (name === 'TimeoutError' || name === 'AbortError' || /socket hang up|aborted|timed? ?out/i.test(messageOf(error)))
  )
    return new TransientStorageError(`${at}: ${messageOf(error)}`, cause)
  return status === undefined ? connectionError(error, at) : new StorageError(`${at}: ${name} ${messageOf(error)}`, cause)
}
