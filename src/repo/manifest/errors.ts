import { KuraError } from '#base/errors.ts'

export class ManifestNotFoundError extends KuraError {
  readonly code = 'MANIFEST_NOT_FOUND'
  constructor(readonly id: string) {
    super(`manifest ${id} is not in the repository`)
  }
}

/** A manifest that must not be written: no type label, or a payload that is not JSON. */
export class InvalidManifestError extends KuraError {
  readonly code = 'INVALID_MANIFEST'
}

/** The payload of one manifest cannot be read; the others can. */
export class DamagedManifestError extends KuraError {
  readonly code = 'DAMAGED_MANIFEST'
  constructor(
    readonly id: string,
    detail: string,
    options?: ErrorOptions,
  ) {
    super(`manifest ${id} is damaged: ${detail}. Delete it, if nobody needs it.`, options)
  }
}

/** A stored content of manifests cannot be read; all of them have to be, to know which are deleted. */
export class CorruptManifestError extends KuraError {
  readonly code = 'CORRUPT_MANIFEST'
  constructor(
    readonly content: string,
    detail: string,
    options?: ErrorOptions,
  ) {
    super(
      `manifest content ${content} is damaged: ${detail}. Set KOPIA_IGNORE_MALFORMED_MANIFEST_CONTENTS=1 to go on without what it holds.`,
      options,
    )
  }
}

/** The repository is open for reading only. */
export class ReadOnlyManifestsError extends KuraError {
  readonly code = 'MANIFESTS_READ_ONLY'
}
