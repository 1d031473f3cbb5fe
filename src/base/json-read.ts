import { KuraError } from './errors.ts'
import { parseLosslessJson } from './go-json.ts'

/** JSON from outside that does not have the shape it must have. */
export class JsonShapeError extends KuraError {
  readonly code = 'JSON_SHAPE'
}

/** Where the first JSON value of `text` ends; the text's length when it does not end. */
function firstValueEnd(text: string): number {
  const start = text.search(/[^ \t\r\n]/)
  if (start >= 0 && !'{["'.includes(text[start] as string)) return text.slice(start).search(/[\s"[\]{},:]|$/) + start
  let depth = 0
  for (let at = start; at >= 0 && at < text.length; at++) {
    const c = text.charCodeAt(at)
    if (c === quote) at = stringEnd(text, at)
    else if (c === 0x7b || c === 0x5b) depth++
    else if (c === 0x7d || c === 0x5d) depth--
    if (depth === 0) return at + 1
  }
  return text.length
}

const quote = 0x22
const backslash = 0x5c

/** Position of the quote that ends the string whose first quote is at `start`; the length of the text when it does not end. A pattern
 *  would do it with less code, but not for strings of millions of escapes. */
export function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end - 1
    while (text.charCodeAt(before) === backslash) before--
    if ((end - before) % 2 === 1) return end
  }
  return text.length
}

/** Parses the first JSON value of a text and ignores what follows it, as Go's stream decoder does. Integers keep every digit
 *  (bigint beyond 2^53) unless another parser is given. Throws SyntaxError. Source: spec 03, section 0; spec 04, 4.2.1. */
export function parseFirstJson(text: string, parse: (text: string) => unknown = parseLosslessJson): unknown {
  try {
    return parse(text)
  } catch (error) {
    const end = error instanceof SyntaxError ? firstValueEnd(text) : text.length
    if (text.slice(end).trim() === '') throw error
    return parse(text.slice(0, end))
  }
}

/** More values than any honest document has that fits a JavaScript string; fewer than what fits a heap of usual size. */
const maxJsonValues = 24_000_000
/** Longest string that JavaScript can hold. */
export const maxJsonBytes = 0x1fffffe8
const checkedFromBytes = 1 << 20

/** Text of JSON from outside. Text that is small but would become gigabytes of empty objects ends the process when it is parsed, so
 *  values are counted first. Throws JsonShapeError, which names `what`. */
export function jsonText(bytes: Buffer, what: string): string {
  if (bytes.length > maxJsonBytes) throw new JsonShapeError(`${what} has ${bytes.length} bytes, more than can be parsed`)
  if (bytes.length > checkedFromBytes) {
    let values = 0
    for (let i = 0; i < bytes.length; i++) {
      const c = bytes[i]
      if (c === 0x2c || c === 0x7b || c === 0x5b) values++
    }
    if (values > maxJsonValues) throw new JsonShapeError(`${what} has more than ${maxJsonValues} values, more than can be parsed`)
  }
  return bytes.toString('utf8')
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
