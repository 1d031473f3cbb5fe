import { KuraError } from '#base/errors.ts'

/** Text that does not follow the grammar of object IDs (spec 03, 1.1). */
export class InvalidObjectIdError extends KuraError {
  readonly code = 'INVALID_OBJECT_ID'
  constructor(
    readonly text: string,
    detail: string,
  ) {
    super(`"${text}" is not an object ID: ${detail}`)
  }
}

/** A content that the object needs is not in the repository. */
export class ObjectNotFoundError extends KuraError {
  readonly code = 'OBJECT_NOT_FOUND'
  constructor(
    readonly object: string,
    options?: ErrorOptions,
  ) {
    super(`object ${object} is not in the repository. Another client may have written it just now: refresh and try again.`, options)
  }
}

/** The parts of an object do not fit together. */
export class CorruptObjectError extends KuraError {
  readonly code = 'CORRUPT_OBJECT'
  constructor(
    readonly object: string,
    detail: string,
    options?: ErrorOptions,
  ) {
    super(`object ${object} is damaged: ${detail}`, options)
  }
}

/** More bytes than the caller wants to hold. */
export class ObjectTooLargeError extends KuraError {
  readonly code = 'OBJECT_TOO_LARGE'
  constructor(
    readonly object: string,
    readonly sizeBytes: number,
    maxBytes: number,
  ) {
    super(`object ${object} has ${sizeBytes} bytes, more than the ${maxBytes} expected here`)
  }
}

/** The repository names a splitter that this version does not have. */
export class UnknownSplitterError extends KuraError {
  readonly code = 'UNKNOWN_SPLITTER'
}
