import { KuraError } from '#base/errors.ts'

/** `[g-z]` + hex of a hash, lower case (spec 02, 1.1). */
export type ContentId = string & { readonly __brand: 'ContentId' }

export class InvalidContentIdError extends KuraError {
  readonly code = 'INVALID_CONTENT_ID'
}

const shape = /^[g-z]?(?:[0-9a-f]{2}){1,32}$/

/** Checks and lower-cases a content ID. The empty string is not accepted here. Throws InvalidContentIdError. */
export function parseContentId(text: string): ContentId {
  const lower = text.toLowerCase()
  if (!shape.test(lower) || /^[G-Z]/.test(text)) throw new InvalidContentIdError(`"${text}" is not a content ID`)
  return lower as ContentId
}

export const hashOf = (id: ContentId): Buffer => Buffer.from(id.length % 2 === 1 ? id.slice(1) : id, 'hex')

/** Binary key of index files: prefix byte (0 if none) followed by the hash. */
export function contentKey(id: ContentId): Buffer {
  const prefixed = id.length % 2 === 1
  const key = Buffer.alloc(1 + (id.length >> 1))
  if (prefixed) key[0] = id.charCodeAt(0)
  key.write(prefixed ? id.slice(1) : id, 1, 'hex')
  return key
}

/** Identity that keys the cipher: the last 16 bytes of the hash (spec 01, 1.18). */
export const identityOf = (id: ContentId): Buffer => hashOf(id).subarray(-16)

/** Whether contents of this ID live in `q` packs and the metadata cache. */
export const isMetadata = (id: ContentId): boolean => id.length % 2 === 1
