import { hkdf } from '#repo/crypto/keys.ts'
import { isDirect, type Repository } from '#repo/repository/repository.ts'

const secretBytes = 32

/** The key that seals keys of encrypted spools: of the repository's master key, so that changing the password changes nothing. Undefined
 *  through a server, which keeps that to itself. */
export const spoolSecret = (repository: Repository): Buffer | undefined =>
  isDirect(repository) ? hkdf(repository.format.masterKey, repository.uniqueId, 'kura staging spool', secretBytes) : undefined
