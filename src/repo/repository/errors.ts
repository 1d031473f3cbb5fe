import { KuraError } from '#base/errors.ts'

/** There is no configuration file: nobody has connected yet. */
export class NotConnectedError extends KuraError {
  readonly code = 'NOT_CONNECTED'
  constructor(
    readonly configFile: string,
    options?: ErrorOptions,
  ) {
    super('repository is not connected. Run "repository connect" or "repository create" first.', options)
  }
}

/** The configuration file is there and cannot be used. */
export class LocalConfigError extends KuraError {
  readonly code = 'LOCAL_CONFIG'
}

/** The storage already holds a repository. */
export class AlreadyExistsError extends KuraError {
  readonly code = 'ALREADY_EXISTS'
}

/** The storage holds no repository. */
export class NotARepositoryError extends KuraError {
  readonly code = 'NOT_A_REPOSITORY'
  constructor(options?: ErrorOptions) {
    super('repository not initialized in the provided storage', options)
  }
}

/** A token for "connect from-config" that cannot be read. */
export class InvalidTokenError extends KuraError {
  readonly code = 'INVALID_TOKEN'
}

/** The stored password cannot be read. */
export class PasswordStoreError extends KuraError {
  readonly code = 'PASSWORD_STORE'
}
