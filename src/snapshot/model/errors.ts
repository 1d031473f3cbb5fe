import { KuraError } from '#base/errors.ts'

/** A directory object that does not follow the format (spec 03, 5.1). */
export class DirectoryFormatError extends KuraError {
  readonly code = 'DIRECTORY_FORMAT'
}

/** A snapshot manifest that does not follow the format (spec 03, 6.1). */
export class SnapshotFormatError extends KuraError {
  readonly code = 'SNAPSHOT_FORMAT'
}

/** No snapshot with that ID. */
export class SnapshotNotFoundError extends KuraError {
  readonly code = 'SNAPSHOT_NOT_FOUND'
}

/** A path element that is not in the tree. */
export class PathNotFoundError extends KuraError {
  readonly code = 'PATH_NOT_FOUND'
}
