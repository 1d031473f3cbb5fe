import { KuraError } from '#base/errors.ts'
import { goJson, goJsonIndented, type JsonValue } from '#base/go-json.ts'
import { type JsonObject, JsonShapeError, memberOf } from '#base/json-read.ts'
import {
  asObject,
  integerField,
  optionalBoolean,
  optionalInteger,
  optionalList,
  optionalString,
  optionalStrings,
} from '#snapshot/model/json-fields.ts'
import type { Policy } from './policy.ts'
import { actionFields, type FieldKind, type Fields, policyFields } from './schema.ts'

/** JSON that is not a policy. */
export class PolicyFormatError extends KuraError {
  readonly code = 'POLICY_FORMAT'
}

export interface DecodePolicyOptions {
  /** Refuse members that the format does not know (`policy edit`, `policy import`). */
  readonly strict?: boolean
}

/** A policy from parsed JSON; missing sections become empty ones, members that are zero without meaning it are dropped. Throws
 *  PolicyFormatError. Source: spec 03, 7.2. */
export function decodePolicy(payload: unknown, options: DecodePolicyOptions = {}): Policy {
  try {
    const raw = asObject(payload, 'policy') ?? {}
    return readFields(raw, policyFields, options.strict === true, '') as unknown as Policy
  } catch (error) {
    if (error instanceof JsonShapeError) throw new PolicyFormatError(`the policy is not valid: ${error.message}`, { cause: error })
    throw error
  }
}

function readFields(raw: JsonObject, fields: Fields, strict: boolean, at: string): Record<string, unknown> {
  if (strict) {
    const known = new Set(Object.keys(fields).map((k) => k.toLowerCase()))
    for (const key of Object.keys(raw)) if (!known.has(key.toLowerCase())) throw new JsonShapeError(`unknown field "${at}${key}"`)
  }
  const result: Record<string, unknown> = {}
  for (const [key, kind] of Object.entries(fields)) {
    const value = readField(raw, key, kind, strict, at)
    if (value !== undefined) result[key] = value
  }
  return result
}

function readField(raw: JsonObject, key: string, kind: FieldKind, strict: boolean, at: string): unknown {
  if (typeof kind === 'object') return readFields(asObject(memberOf(raw, key), key) ?? {}, kind, strict, `${at}${key}.`)
  switch (kind) {
    case 'optInt':
      return optionalInteger(raw, key)
    case 'optBool':
      return optionalBoolean(raw, key)
    case 'int':
      return optionalInteger(raw, key) || undefined
    case 'bool':
      return optionalBoolean(raw, key) || undefined
    case 'string':
      return optionalString(raw, key) || undefined
    case 'strings': {
      const list = optionalStrings(raw, key)
      return list && list.length > 0 ? list : undefined
    }
    case 'times': {
      const list = optionalList(raw, key)?.map((t) => {
        const time = asObject(t, key) ?? {}
        return { hour: integerField(time, 'hour'), min: integerField(time, 'min') }
      })
      return list && list.length > 0 ? list : undefined
    }
    case 'action': {
      const action = asObject(memberOf(raw, key), key)
      return action && readFields(action, actionFields, strict, `${at}${key}.`)
    }
  }
}

/** The policy as JSON value with all members in the order of the format. */
export const policyJsonValue = (policy: Policy): JsonValue => orderFields(policy as unknown as JsonObject, policyFields)

function orderFields(value: JsonObject, fields: Fields): JsonValue {
  const result: Record<string, JsonValue> = {}
  for (const [key, kind] of Object.entries(fields)) {
    const part = value[key]
    if (typeof kind === 'object') result[key] = orderFields((part ?? {}) as JsonObject, kind)
    else if (part === undefined || isOmitted(part, kind)) continue
    else if (kind === 'action') result[key] = orderFields(part as JsonObject, actionFields)
    else if (kind === 'times') result[key] = (part as { hour: number; min: number }[]).map(({ hour, min }) => ({ hour, min }))
    else result[key] = part as JsonValue
  }
  return result
}

function isOmitted(part: unknown, kind: FieldKind): boolean {
  if (kind === 'optInt' || kind === 'optBool' || kind === 'action') return part === null
  return part === 0 || part === false || part === '' || part === null || (Array.isArray(part) && part.length === 0)
}

/** Go-form JSON text of a policy, as it is stored. Source: spec 03, 7.2. */
export const encodePolicy = (policy: Policy): string => goJson(policyJsonValue(policy))

/** The same, indented for people. */
export const encodePolicyIndented = (policy: Policy): string => goJsonIndented(policyJsonValue(policy))
