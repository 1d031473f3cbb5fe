import { formatTimeNs } from '#base/time.ts'

/** A value that goJson can write. `bigint` becomes a plain decimal integer. Keys whose value is undefined are left out;
 *  keys keep insertion order (the caller sorts maps). */
export type JsonValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly JsonValue[]
  | ReadonlyMap<string, JsonValue>
  | { readonly [key: string]: JsonValue | undefined }

const escapes = /["\\<>&\u2028\u2029\u0000-\u001f]/g
const short: Record<string, string> = { '"': '\\"', '\\': '\\\\', '\b': '\\b', '\t': '\\t', '\n': '\\n', '\f': '\\f', '\r': '\\r' }

const escapeOne = (c: string): string => short[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`

/** A JSON string literal with Go's escapes. A lone surrogate, how invalidUtf8 marks one undecodable byte, becomes `\ufffd`.
 *  Source: spec 03, section 0. */
export function goString(text: string): string {
  const escaped = escapes.test(text) ? text.replace(escapes, escapeOne) : text
  escapes.lastIndex = 0
  return `"${escaped.isWellFormed() ? escaped : loneToEscape(escaped)}"`
}

const loneToEscape = (text: string): string =>
  text.replace(/[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g, (c) => (c.length === 2 ? c : '\\ufffd'))

/** Compact JSON as Go's encoding/json writes it: no blanks, HTML characters escaped, integers in full. Source: spec 03, 0. */
export function goJson(value: JsonValue): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return goString(value)
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return `[${(value as readonly JsonValue[]).map(goJson).join(',')}]`
  const members: string[] = []
  for (const [key, member] of entriesOf(value)) if (member !== undefined) members.push(`${goString(key)}:${goJson(member)}`)
  return `{${members.join(',')}}`
}

/** The same value indented by two blanks per level, as Go's MarshalIndent("", "  "). Empty lists and objects stay on one line. */
export function goJsonIndented(value: JsonValue, prefix = '', step = '  '): string {
  if (value === null || typeof value !== 'object') return goJson(value)
  const deeper = prefix + step
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]'
    return `[\n${(value as readonly JsonValue[]).map((v) => deeper + goJsonIndented(v, deeper, step)).join(',\n')}\n${prefix}]`
  }
  const members: string[] = []
  for (const [key, member] of entriesOf(value))
    if (member !== undefined) members.push(`${deeper}${goString(key)}: ${goJsonIndented(member, deeper, step)}`)
  return members.length === 0 ? '{}' : `{\n${members.join(',\n')}\n${prefix}}`
}

type JsonMembers = Exclude<JsonValue, string | number | bigint | boolean | null | readonly JsonValue[]>

const entriesOf = (value: JsonMembers | readonly JsonValue[]): Iterable<[string, JsonValue | undefined]> =>
  value instanceof Map ? value.entries() : Object.entries(value as { readonly [key: string]: JsonValue | undefined })

/** A map as Go writes it: keys sorted by their UTF-8 bytes. A Map, since objects put keys that look like numbers first. */
export function sortedMap<T extends JsonValue>(map: Readonly<Record<string, T>>): ReadonlyMap<string, T> {
  const keys = Object.keys(map).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return new Map(keys.map((key) => [key, map[key] as T]))
}

/** A time in nanoseconds as a JSON string value. */
export const jsonTime = formatTimeNs

// A string or number token, and the colon behind it that makes a string a key.
const token = /("[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(\s*:)?/gs
// Longer ones fit no integer type that anybody stores, and reading them digit by digit takes time: they become numbers.
const largeInteger = /^-?[1-9]\d{15,39}$/

/** Parses JSON in which integers beyond 2^53 keep every digit: such a number is returned as bigint, all others as number.
 *  Throws SyntaxError, also for text that is nested too deeply to be walked. */
export function parseLosslessJson(text: string): unknown {
  if (!/(?:^|[:[,\s])-?\d{16,}(?![\d.eE])/.test(text)) return JSON.parse(text)
  try {
    return parseMarked(text)
  } catch (error) {
    // The stack (of the reviver, or of the pattern for strings) is used up.
    if (error instanceof RangeError) throw new SyntaxError('the JSON is nested too deeply or has too long strings', { cause: error })
    throw error
  }
}

function parseMarked(text: string): unknown {
  // Large integers become strings with a mark, strings that look marked get a mark of their own; then parse, and revive.
  const marked = text.replace(token, (whole, value: string, colon: string | undefined) => {
    if (colon !== undefined) return whole
    if (value.startsWith('"')) return value.startsWith('"\\u0000') ? `"\\u0000s${value.slice(1)}` : value
    return largeInteger.test(value) ? `"\\u0000n${value}"` : value
  })
  return JSON.parse(marked, (_key, value: unknown) => {
    if (typeof value !== 'string' || !value.startsWith('\u0000')) return value
    if (value[1] === 's') return value.slice(2)
    const number = Number(value.slice(2))
    return Number.isSafeInteger(number) ? number : BigInt(value.slice(2))
  })
}
