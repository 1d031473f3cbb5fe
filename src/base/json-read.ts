import { KuraError } from './errors.ts'
import { parseLosslessJson } from './go-json.ts'

/** JSON from outside that does not have the shape it must have. */
export class JsonShapeError extends KuraError {
  readonly code = 'JSON_SHAPE'
}

/** Length of the first JSON value in `text`, leading blanks included; the text's whole length when the value does not end. */
function firstValueEnd(text: string): number {
  const start = text.search(/[^ \t\r\n]/)
  if (start < 0) return text.length
  const token = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}]|[^\s"[\]{},:]+/gsy
  token.lastIndex = start
  let depth = 0
  for (let at = start; at < text.length; at = token.lastIndex) {
    token.lastIndex = at
    const match = token.exec(text)
    if (!match) {
      token.lastIndex = at + 1
      continue
    }
    if (match[0] === '{' || match[0] === '[') depth++
    else if (match[0] === '}' || match[0] === ']') depth--
    if (depth <= 0) return token.lastIndex
  }
  return text.length
}

/** Parses the first JSON value of a text and ignores what follows, as Go's stream decoder does. Integers keep every digit (bigint beyond
 *  2^53). Throws SyntaxError. Source: spec 03, section 0; spec 04, 4.2.1. */
export function parseFirstJson(text: string): unknown {
  return parseLosslessJson(text.slice(0, firstValueEnd(text)))
}

export type JsonObject = Readonly<Record<string, unknown>>

/** The value as an object (null counts as empty). Throws JsonShapeError, which names `what`. */
export function asObject(value: unknown, what: string): JsonObject {
  if (value === null || value === undefined) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw new JsonShapeError(`${what} must be a JSON object`)
  return value as JsonObject
}

/** Member of an object by exact name, else by the name in any case, as Go's decoder matches keys (spec 03, section 0). */
export function memberOf(object: JsonObject, name: string): unknown {
  if (Object.hasOwn(object, name)) return object[name]
  const lower = name.toLowerCase()
  for (const key of Object.keys(object)) if (key.toLowerCase() === lower) return object[key]
  return undefined
}

function typed<T>(object: JsonObject, name: string, what: string, zero: T, fits: (value: unknown) => value is T): T {
  const value = memberOf(object, name)
  if (value === undefined || value === null) return zero
  if (!fits(value)) throw new JsonShapeError(`${what}: "${name}" must be a ${typeof zero}`)
  return value
}

/** String member; '' when missing or null. Throws JsonShapeError. */
export const stringOf = (object: JsonObject, name: string, what: string): string =>
  typed(object, name, what, '', (v): v is string => typeof v === 'string')

/** Boolean member; false when missing or null. Throws JsonShapeError. */
export const booleanOf = (object: JsonObject, name: string, what: string): boolean =>
  typed(object, name, what, false, (v): v is boolean => typeof v === 'boolean')

/** Number member; 0 when missing or null. Throws JsonShapeError. */
export const numberOf = (object: JsonObject, name: string, what: string): number =>
  typed(object, name, what, 0, (v): v is number => typeof v === 'number')

/** Integer member within int64; 0n when missing or null. Throws JsonShapeError. */
export function integerOf(object: JsonObject, name: string, what: string): bigint {
  const value = memberOf(object, name)
  if (value === undefined || value === null) return 0n
  const whole = typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))
  if (!whole || BigInt.asIntN(64, BigInt(value)) !== BigInt(value)) throw new JsonShapeError(`${what}: "${name}" must be an integer`)
  return BigInt(value)
}
