import { statSync } from 'node:fs'
import { UsageError } from '#base/errors.ts'
import type { Positional, Value } from './flag.ts'

const trueWords = new Set(['1', 't', 'T', 'TRUE', 'true', 'True'])
const falseWords = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False'])

/** Reads one value of a flag or argument (spec 06, 2.2). Throws UsageError with the text of the reference's parser. */
export function parseValue(item: Positional, text: string): Value {
  switch (item.type) {
    case 'bool':
    case 'bool-with-value':
      return parseBool(text)
    case 'int':
      return Math.trunc(parseFloatText(text))
    case 'float':
      return parseFloatText(text)
    case 'int32':
      return parseInteger(text, -(2n ** 31n), 2n ** 31n - 1n)
    case 'int64':
      return parseInteger(text, -(2n ** 63n), 2n ** 63n - 1n)
    case 'uint':
      return parseInteger(text, 0n, 2n ** 64n - 1n)
    case 'duration':
      return parseDuration(text)
    case 'bytes':
      return parseBytes(text)
    case 'enum':
      if (item.values?.includes(text)) return text
      throw new UsageError(`enum value must be one of ${item.values?.join(',')}, got '${text}'`)
    case 'existingFile':
    case 'existingDir':
    case 'existingFileOrDir':
      return existing(text, item.type)
    default:
      return text
  }
}

/** Go's strconv.ParseBool. Throws UsageError. */
export function parseBool(text: string): boolean {
  if (trueWords.has(text)) return true
  if (falseWords.has(text)) return false
  throw new UsageError(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`)
}

function parseFloatText(text: string): number {
  if (/^[+-]?(?:\d+(?:_\d+)*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) return Number(text.replaceAll('_', ''))
  if (/^[+-]?(?:inf|infinity)$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity
  throw new UsageError(`strconv.ParseFloat: parsing ${JSON.stringify(text)}: invalid syntax`)
}

function parseInteger(text: string, least: bigint, most: bigint): number {
  const m = /^([+-]?)(0[xX][0-9a-fA-F]+(?:_[0-9a-fA-F]+)*|0[bB][01]+(?:_[01]+)*|0[oO][0-7]+(?:_[0-7]+)*|0[0-7]*|[1-9]\d*(?:_\d+)*)$/.exec(
    text,
  )
  if (!m) throw new UsageError(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
  const digits = (m[2] as string).replaceAll('_', '')
  const size = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits)
  const value = m[1] === '-' ? -size : size
  if (value < least || value > most) throw new UsageError(`strconv.ParseInt: parsing ${JSON.stringify(text)}: value out of range`)
  return Number(value)
}

const durationUnits: Record<string, bigint> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
  w: 604_800_000_000_000n,
}

/** Nanoseconds of a duration such as `1h30m` or `1.5s`; days and weeks are fixed lengths (spec 06, 2.2). Throws UsageError. */
export function parseDuration(text: string): bigint {
  const bare = text.replace(/^[+-]/, '')
  if (bare === '0') return 0n
  const parts = [...bare.matchAll(/(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|[smhdw])/gy)]
  const length = parts.reduce((sum, p) => sum + p[0].length, 0)
  if (bare === '' || length !== bare.length || parts.some((p) => p[1] === '' && (p[2] ?? '') === ''))
    throw new UsageError(`time: invalid duration ${JSON.stringify(text)}`)
  let total = 0n
  for (const [, whole = '', fraction = '', unit = ''] of parts) {
    const scale = durationUnits[unit] as bigint
    total += BigInt(whole || '0') * scale
    if (fraction !== '') total += (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length)
  }
  if (total > 2n ** 63n - 1n) throw new UsageError(`time: invalid duration ${JSON.stringify(text)}`)
  return text.startsWith('-') ? -total : total
}

function parseBytes(text: string): number {
  const m = /^([+-]?(?:\d+(?:\.\d*)?|\.\d+))(B|[KMGTPE]i?B)$/.exec(text)
  if (!m) throw new UsageError(`units: invalid ${JSON.stringify(text)}`)
  const power = 'BKMGTPE'.indexOf((m[2] as string)[0] as string)
  return Number(m[1]) * 1024 ** power
}

function existing(path: string, kind: string): string {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found) throw new UsageError(`path '${path}' does not exist`)
  if (kind === 'existingFile' && found.isDirectory()) throw new UsageError(`'${path}' is a directory`)
  if (kind === 'existingDir' && !found.isDirectory()) throw new UsageError(`'${path}' is a file`)
  return path
}
