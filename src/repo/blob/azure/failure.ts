import { KuraError, messageOf } from '#base/errors.ts'
import { BlobNotFoundError, BlobRangeError, CredentialsError, StorageError, StorageFullError, TransientStorageError } from '../errors.ts'
import { connectionError, isTransientStatus } from '../http/failure.ts'
import type { BlobId } from '../storage.ts'
import type { AzureOptions } from './options.ts'

interface SdkError {
  readonly name?: string
  readonly code?: string
  readonly statusCode?: number
  readonly details?: { readonly errorCode?: string }
}

/** The service's own name of an error, or ''. */
export const azureCode = (error: unknown): string => {
  const { details, code } = error as SdkError
  return details?.errorCode ?? code ?? ''
}

const wrongWho = new Set(['AuthenticationFailed', 'InvalidAuthenticationInfo', 'NoAuthenticationInformation', 'AuthorizationFailure'])
const denied = new Set(['AuthorizationPermissionMismatch', 'InsufficientAccountPermissions', 'AuthorizationResourceTypeMismatch'])

/** What the SDK threw as an error of ours. `verb`: what was tried; `id`: the blob, when it can be what is missing. Source: spec 04, 4.3.3. */
export function azureFailure(error: unknown, options: AzureOptions, verb: string, id?: BlobId): unknown {
  if (error instanceof KuraError) return error
  const code = azureCode(error)
  const { statusCode } = error as SdkError
  const at = `cannot ${verb} in container ${options.container} of ${new URL(options.url).host}`
  const cause = { cause: error }
  if (code === 'BlobNotFound' && id !== undefined) return new BlobNotFoundError(id, cause)
  if (code === 'InvalidRange' && id !== undefined) return new BlobRangeError(id, 'the service has no such range', cause)
  if (code === 'ContainerNotFound')
    return new StorageError(`${at}: there is no such container. Check --container and --storage-account.`, cause)
  if (code === 'AccountLimitExceeded' || code === 'InsufficientStorage')
    return new StorageFullError(`${at}: the quota is used up. Free some space or raise the quota, then try again.`, cause)
  if (wrongWho.has(code) || statusCode === 401)
    return new CredentialsError(
      `${at}: the credentials are not accepted (${code}). Check the key, token or principal, and this machine's clock.`,
      cause,
    )
  if (denied.has(code) || statusCode === 403)
    return new CredentialsError(`${at}: access denied (${code}). The credentials need rights to list, read, write and delete there.`, cause)
  return otherFailure(error, at, code, statusCode)
}

function otherFailure(error: unknown, at: string, code: string, status: number | undefined): StorageError {
  const cause = { cause: error }
  const said = firstLine(messageOf(error))
  if (status === undefined) {
    const broken =
      code === 'PARSE_ERROR' || (error as SdkError).name === 'AbortError' || /aborted|socket hang up|timed? ?out|unexpected end/i.test(said)
    return broken ? new TransientStorageError(`${at}: ${said}`, cause) : connectionError(rootOf(error), at)
  }
  const passes = isTransientStatus(status) || status < 300 || code === 'Md5Mismatch'
  return passes ? new TransientStorageError(`${at}: ${code} ${said}`, cause) : new StorageError(`${at}: ${code} ${said}`, cause)
}

/** The system error, when the SDK has wrapped it under a name of its own. */
function rootOf(error: unknown): unknown {
  const { code, cause } = error as { code?: string; cause?: unknown }
  return code === 'REQUEST_SEND_ERROR' && cause ? cause : error
}

// The service adds request IDs and times in further lines; a URL in it could carry a SAS token.
const firstLine = (text: string): string => (text.split('\n')[0] ?? '').replace(/\?\S+/g, '?…')
