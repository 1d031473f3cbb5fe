import { KuraError } from '#base/errors.ts'
import type { ContentId } from './content-id.ts'

/** No index knows the content. */
export class ContentNotFoundError extends KuraError {
  readonly code = 'CONTENT_NOT_FOUND'
  constructor(
    readonly id: ContentId,
    options?: ErrorOptions,
  ) {
    super(`content ${id} is not in the repository. Another client may have written it just now: refresh and try again.`, options)
  }
}

/** The bytes of a content are not what its index record promises. */
export class CorruptContentError extends KuraError {
  readonly code = 'CORRUPT_CONTENT'
  constructor(
    readonly id: ContentId,
    readonly pack: string,
    detail: string,
    options?: ErrorOptions,
  ) {
    super(`content ${id} in pack ${pack} is damaged: ${detail}. Run "kura content verify" to see how much is affected.`, options)
  }
}

/** A pack has no usable recovery index. */
export class CorruptPackError extends KuraError {
  readonly code = 'CORRUPT_PACK'
  constructor(
    readonly pack: string,
    detail: string,
    options?: ErrorOptions,
  ) {
    super(`cannot recover an index from pack ${pack}: ${detail}. Its contents stay readable through the index blobs that name it.`, options)
  }
}

/** A write that the repository's settings do not allow. */
export class ContentWriteError extends KuraError {
  readonly code = 'CONTENT_WRITE'
}

/** The computer's clock and the storage's clock differ too much to write (spec 02, 2.6). */
export class ClockSkewError extends KuraError {
  readonly code = 'CLOCK_SKEW'
}
