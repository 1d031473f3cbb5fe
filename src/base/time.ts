import { KuraError } from '#base/errors.ts'

/** Text that is not an RFC 3339 time. */
export class TimeFormatError extends KuraError {
  readonly code = 'TIME_FORMAT'
}

/** What Go writes for a time that was never set, in nanoseconds (wraps below int64; spec 03, 0). */
export const goZeroTimeNs = -6795364578871345152n

const pattern = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:[.,](\d+))?([Zz]|[+-]\d{2}:\d{2})$/

/** Nanoseconds since the Unix epoch of an RFC 3339 time with any offset; digits beyond nanoseconds are cut. The year 1 zero
 *  time of Go gives its true (not wrapped) value. Throws TimeFormatError. Source: RFC 3339, spec 03 section 0. */
export function parseTimeNs(text: string): bigint {
  const m = pattern.exec(text)
  if (!m) throw new TimeFormatError(`"${text}" is not a time. Expected the form 2026-01-31T12:00:00Z.`)
  const [, year, month, day, hour, minute, second, fraction = '', zone = 'Z'] = m
  const date = new Date(0)
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  date.setUTCHours(Number(hour), Number(minute), Number(second), 0)
  const dayExists = date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day)
  if (!(Number(hour) <= 23 && dayExists && Number(minute) <= 59 && Number(second) <= 59))
    throw new TimeFormatError(`"${text}" is not a time: a field is out of range.`)
  const ms = date.getTime() - zoneMs(zone, text)
  return BigInt(ms) * 1_000_000n + BigInt(`${fraction}000000000`.slice(0, 9))
}

/** Milliseconds that a zone is ahead of UTC. */
function zoneMs(zone: string, text: string): number {
  if (zone === 'Z' || zone === 'z') return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(4, 6))
  if (hours > 23 || minutes > 59) throw new TimeFormatError(`"${text}" is not a time: its offset is out of range.`)
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000
}

/** RFC 3339 text in UTC with `Z`, up to 9 fractional digits, trailing zeros removed (spec 03, section 0). */
export function formatTimeNs(ns: bigint): string {
  let ms = ns / 1_000_000n
  let rest = ns % 1_000_000n
  if (rest < 0n) {
    rest += 1_000_000n
    ms -= 1n
  }
  const iso = new Date(Number(ms)).toISOString()
  const fraction = (iso.slice(20, 23) + rest.toString().padStart(6, '0')).replace(/0+$/, '')
  return fraction === '' ? `${iso.slice(0, 19)}Z` : `${iso.slice(0, 19)}.${fraction}Z`
}
