import { TemplateError } from './errors.ts'

/** A value with a text of its own and members that a template may ask for: a time, a duration. */
export class PrintedValue {
  constructor(
    readonly text: string,
    readonly members: Readonly<Record<string, TemplateValue>> = {},
    /** What comparisons and functions look at; absent where only the text counts. */
    readonly raw?: bigint,
  ) {}

  toString(): string {
    return this.text
  }
}

export interface TemplateObject {
  readonly [name: string]: TemplateValue
}

/** What templates can see. A Map answers with nothing for names that it does not have; an object refuses them. */
export type TemplateValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | PrintedValue
  | readonly TemplateValue[]
  | ReadonlyMap<string, TemplateValue>
  | TemplateObject

const isList = (value: TemplateValue): value is readonly TemplateValue[] => Array.isArray(value)
const isMap = (value: TemplateValue): value is ReadonlyMap<string, TemplateValue> => value instanceof Map

/** A field of a value. Throws TemplateError where there is none. */
export function fieldOf(value: TemplateValue, name: string): TemplateValue {
  if (value === null) throw new TemplateError(`.${name} was asked of something that is not there`)
  if (isMap(value)) return value.get(name) ?? ''
  const members = value instanceof PrintedValue ? value.members : value
  if (typeof members === 'object' && !isList(members) && Object.hasOwn(members, name)) return (members as TemplateObject)[name] ?? null
  throw new TemplateError(`there is no .${name} here`)
}

/** What counts as true: not false, 0, nothing, or an empty text, list or map. */
export function isTrue(value: TemplateValue): boolean {
  if (value === null || value === false || value === '' || value === 0 || value === 0n) return false
  if (isList(value)) return value.length > 0
  if (isMap(value)) return value.size > 0
  return !(value instanceof PrintedValue) || value.raw !== 0n
}

/** Text of a value as the reference prints it. */
export function textOf(value: TemplateValue): string {
  if (value === null) return '<nil>'
  if (isList(value)) return `[${value.map(textOf).join(' ')}]`
  if (isMap(value)) return `map[${[...value].map(([k, v]) => `${k}:${textOf(v)}`).join(' ')}]`
  if (value instanceof PrintedValue || typeof value !== 'object') return String(value)
  return `{${Object.values(value).map(textOf).join(' ')}}`
}

/** Pairs that `range` goes through. Throws TemplateError for what is no list. */
export function pairsOf(value: TemplateValue): [TemplateValue, TemplateValue][] {
  if (value === null) return []
  if (isList(value)) return value.map((item, i) => [i, item])
  if (isMap(value)) return [...value].sort(([a], [b]) => (a < b ? -1 : 1))
  if (typeof value === 'number' && Number.isInteger(value) && value <= 100_000) return Array.from({ length: value }, (_, i) => [i, i])
  throw new TemplateError('range needs a list')
}

/** Number of a value for arithmetic and order; undefined for what is none. */
export function numberOf(value: TemplateValue): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  return value instanceof PrintedValue && value.raw !== undefined ? Number(value.raw) : undefined
}

/** Items, entries or bytes in a value. Throws TemplateError for what has no length. */
export function lengthOf(value: TemplateValue): number {
  if (typeof value === 'string') return Buffer.byteLength(value)
  if (isList(value)) return value.length
  if (isMap(value)) return value.size
  throw new TemplateError('len needs a text, a list or a map')
}
