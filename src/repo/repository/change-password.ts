import { UsageError } from '#base/errors.ts'
import { derivePasswordKey } from '#repo/crypto/keys.ts'
import { WrongPasswordError } from '#repo/format/errors.ts'
import { parseFormatBlob } from '#repo/format/format-blob.ts'
import type { KeyDerivation } from './format-watch.ts'
import type { DirectRepository } from './repository.ts'
import { rewriteFormat } from './rewrite-format.ts'

/** Gives a repository a new password: the central blobs are encrypted anew, what they hold stays. The repository must be closed and opened
 *  again afterwards. Throws UsageError for an empty password and where the format does not allow it. Source: spec 01, 1.10. */
export async function changePassword(
  repository: DirectRepository,
  newPassword: string,
  deriveKey: KeyDerivation = derivePasswordKey,
): Promise<void> {
  if (newPassword === '') throw new UsageError('the new password is empty')
  // The current blobs, not those read when the repository was opened: another client may have changed them since.
  await repository.forgetFormat()
  const { format, retention } = repository
  if (!format.enablePasswordChange)
    throw new UsageError(
      `the password of this repository (format version ${format.version}) cannot be changed: its maintenance and cache keys hang on it`,
    )
  const { keyAlgorithm, uniqueId } = parseFormatBlob(repository.formatBlob)
  await rewriteFormat(repository, format, retention, await deriveKey(keyAlgorithm, newPassword, uniqueId))
  // A copy in the cache folder would go on letting the old password in. What is read again then does not open with the old key.
  await repository.forgetFormat().catch((error: unknown) => {
    if (!(error instanceof WrongPasswordError)) throw error
  })
}
