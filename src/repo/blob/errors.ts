import { KuraError } from '#base/errors.ts'
import type { BlobId } from './storage.ts'

export class BlobNotFoundError extends KuraError {
  readonly code = 'BLOB_NOT_FOUND'
  constructor(
    readonly blob: BlobId,
    options?: ErrorOptions,
  ) {
    super(`blob ${blob} is not in the storage`, options)
  }
}

export class BlobExistsError extends KuraError {
  readonly code = 'BLOB_EXISTS'
  constructor(
    readonly blob: BlobId,
    options?: ErrorOptions,
  ) {
    super(`blob ${blob} is already in the storage`, options)
  }
}

export class BlobRangeError extends KuraError {
  readonly code = 'BLOB_RANGE'
  constructor(
    readonly blob: BlobId,
    detail: string,
    options?: ErrorOptions,
  ) {
    super(`blob ${blob} is shorter than expected: ${detail}`, options)
  }
}

/** The storage refused or could not be reached; `retry` says whether trying again can help. */
export class StorageError extends KuraError {
  readonly code: string = 'STORAGE'
}

export class TransientStorageError extends StorageError {
  override readonly code = 'STORAGE_TRANSIENT'
  override readonly retry = true
}

export class ReadOnlyStorageError extends StorageError {
  override readonly code = 'STORAGE_READ_ONLY'
}

/** The storage has no room (or the quota is used up). */
export class StorageFullError extends StorageError {
  override readonly code = 'STORAGE_FULL'
}

/** The service does not accept who we say we are, or no longer. */
export class CredentialsError extends StorageError {
  override readonly code = 'STORAGE_CREDENTIALS'
}

/** A put asked for something that this kind of storage cannot do. */
export class UnsupportedOptionError extends StorageError {
  override readonly code = 'STORAGE_UNSUPPORTED_OPTION'
  constructor(backend: string, option: string, options?: ErrorOptions) {
    super(`${backend} storage does not support ${option}`, options)
  }
}
