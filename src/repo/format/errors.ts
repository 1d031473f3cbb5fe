import { KuraError } from '#base/errors.ts'

/** The password does not open the repository (or its format blob is damaged: the two look the same, spec 01, 1.5). */
export class WrongPasswordError extends KuraError {
  readonly code = 'WRONG_PASSWORD'

  constructor(options?: ErrorOptions) {
    super('invalid repository password', options)
  }
}

/** A format this program cannot work with. */
export class UnsupportedFormatError extends KuraError {
  readonly code = 'UNSUPPORTED_FORMAT'
}

/** A central blob that is not what it should be. */
export class CorruptFormatError extends KuraError {
  readonly code = 'CORRUPT_FORMAT'
}

/** Settings that a repository must not be given. */
export class InvalidFormatError extends KuraError {
  readonly code = 'INVALID_FORMAT'
}

/** The repository needs something that this program does not know (spec 01, 1.13). */
export class RequiredFeatureError extends KuraError {
  readonly code = 'REQUIRED_FEATURE'
}

/** Somebody else is upgrading the repository (spec 01, 1.14). */
export class UpgradeInProgressError extends KuraError {
  readonly code = 'UPGRADE_IN_PROGRESS'
  override readonly retry = true

  constructor() {
    super('repository upgrade in progress')
  }
}
