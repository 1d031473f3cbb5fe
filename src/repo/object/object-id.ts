import type { ContentId } from '#repo/content/content-id.ts'
import { InvalidObjectIdError } from './errors.ts'
import type { ObjectId } from './object.ts'

/** The parts of an object ID (spec 03, 1.1). */
export interface ObjectIdParts {
  /** Number of leading `I`. */
  readonly indirection: number
  /** `Z`: the content is a compression container. */
  readonly compressed: boolean
  /** Lower case; '' in the odd but valid IDs '', 'I', 'Z' and 'D'. */
  readonly content: ContentId | ''
}

const contentShape = /^(?:[g-z]?(?:[0-9a-fA-F]{2}){1,32})?$/

/** Takes an object ID apart. Throws InvalidObjectIdError. Source: spec 03, 1.1. */
export function objectIdParts(text: string): ObjectIdParts {
  let at = 0
  while (text[at] === 'I') at++
  const indirection = at
  const compressed = text[at] === 'Z'
  if (compressed) at++
  if (text[at] === 'D') at++
  const content = text.slice(at)
  if (!contentShape.test(content)) throw new InvalidObjectIdError(text, 'expected I…, Z and a content ID in hex')
  if (compressed && indirection > 0) throw new InvalidObjectIdError(text, 'I and Z exclude each other')
  return { indirection, compressed, content: content.toLowerCase() as ContentId }
}

/** Checks an object ID and gives its canonical form: lower-case hex, no `D`. Throws InvalidObjectIdError. */
export function parseObjectId(text: string): ObjectId {
  const { indirection, compressed, content } = objectIdParts(text)
  return `${'I'.repeat(indirection)}${compressed ? 'Z' : ''}${content}` as ObjectId
}

/** Object held by one content, as it is (`compressed` false) or in a container. */
export const directObjectId = (content: ContentId, compressed: boolean): ObjectId =>
  (compressed ? `Z${content}` : content) as string as ObjectId

/** Object whose index stream is `index`. */
export const indirectObjectId = (index: ObjectId): ObjectId => `I${index}` as ObjectId

/** Index stream of an indirect object: one `I` less. */
export const indexObjectId = (id: ObjectId): ObjectId => id.slice(1) as ObjectId

export const isIndirect = (id: string): boolean => id.startsWith('I')
