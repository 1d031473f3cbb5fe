import { type JsonObject, JsonShapeError, memberOf } from '#base/json-read.ts'

/** Reads members of parsed JSON the way Go's encoding/json fills a struct (spec 03, section 0): missing or null gives the zero value,
 *  keys match case-insensitively when there is no exact match, a wrong type is a JsonShapeError. Unlike those of
 *  #base/json-read.ts, these tell a missing member from an empty one. */

const fail = (what: string, key: string): never => {
  throw new JsonShapeError(`"${key}" is not ${what}`)
}

/** `value` as an object; undefined for missing or null. */
export function asObject(value: unknown, what: string): JsonObject | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'object' || Array.isArray(value)) return fail('an object', what)
  return value as JsonObject
}

export const objectField = (object: JsonObject, key: string): JsonObject | undefined => asObject(memberOf(object, key), key)

export function optionalString(object: JsonObject, key: string): string | undefined {
  const value = memberOf(object, key)
  if (value === undefined || value === null) return undefined
  return typeof value === 'string' ? value : fail('a string', key)
}

export const stringField = (object: JsonObject, key: string): string => optionalString(object, key) ?? ''

const int64Limit = 2 ** 63

/** An int64; beyond 2^53 the nearest double. */
export function optionalInteger(object: JsonObject, key: string): number | undefined {
  const value = memberOf(object, key)
  if (value === undefined || value === null) return undefined
  const number = typeof value === 'bigint' ? Number(value) : value
  if (typeof number !== 'number' || !Number.isInteger(number) || number >= int64Limit || number < -int64Limit)
    return fail('an integer', key)
  return number
}

export const integerField = (object: JsonObject, key: string): number => optionalInteger(object, key) ?? 0

export function optionalBoolean(object: JsonObject, key: string): boolean | undefined {
  const value = memberOf(object, key)
  if (value === undefined || value === null) return undefined
  return typeof value === 'boolean' ? value : fail('true or false', key)
}

export function optionalList(object: JsonObject, key: string): readonly unknown[] | undefined {
  const value = memberOf(object, key)
  if (value === undefined || value === null) return undefined
  return Array.isArray(value) ? (value as readonly unknown[]) : fail('a list', key)
}

export function optionalStrings(object: JsonObject, key: string): readonly string[] | undefined {
  return optionalList(object, key)?.map((v) => (v === null ? '' : typeof v === 'string' ? v : fail('a list of strings', key)))
}
