import { UsageError } from '#base/errors.ts'
import type { Snapshot } from './snapshot.ts'

/** What --snapshot-time asks for among candidates that are sorted newest first. */
export type SnapshotTimeChoice =
  | { readonly kind: 'latest' | 'oldest' }
  /** The newest that started before this, in nanoseconds since the epoch. */
  | { readonly kind: 'before'; readonly limitNs: bigint }

const fromMs = (ms: number): SnapshotTimeChoice => ({ kind: 'before', limitNs: BigInt(ms) * 1_000_000n })

/** Parses a --snapshot-time. Calendar words are in the time zone of the process; `nowMs` is today. Throws UsageError.
 *  Source: spec 06, 7.2. */
export function parseSnapshotTime(text: string, nowMs: number): SnapshotTimeChoice {
  if (text === 'latest' || text === 'oldest') return { kind: text }
  const now = new Date(nowMs)
  const [y, m, d] = [now.getFullYear(), now.getMonth(), now.getDate()]
  if (text === 'yesterday') return fromMs(new Date(y, m, d).getTime())
  if (text === 'last-month') return fromMs(new Date(y, m, 1).getTime())
  if (text === 'last-year') return fromMs(new Date(y, 0, 1).getTime())
  const ago = /^(?:(\d{1,3})(?:years?|y)-)?(?:(\d{1,3})(?:months?|mo|m)-)?(?:(\d{1,3})(?:days?|d)-)?ago$/.exec(text)
  if (ago && text !== 'ago')
    return fromMs(new Date(y - Number(ago[1] ?? 0), m - Number(ago[2] ?? 0), d - Number(ago[3] ?? 0) + 1).getTime())
  const end = endOfNamedTime(text)
  if (end === undefined || Number.isNaN(end))
    throw new UsageError(`Invalid time spec "${text}". Use latest, oldest, yesterday, last-month, 3d-ago, 2024-01-31 or 2024-01-31 12:30.`)
  return fromMs(end)
}

/** The one that is asked for, or undefined. `newestFirst`: candidates, newest first. */
export function chooseSnapshot<T extends Pick<Snapshot, 'startNs'>>(newestFirst: readonly T[], choice: SnapshotTimeChoice): T | undefined {
  if (choice.kind === 'before') return newestFirst.find((s) => s.startNs < choice.limitNs)
  return choice.kind === 'latest' ? newestFirst[0] : newestFirst.at(-1)
}

const printed = /^(\d{4})-(\d{2})-(\d{2}) (\d{2}):(\d{2}):(\d{2})(\.\d{3})? ([A-Z]{3,5}|[+-]\d{2}(?:\d{2})?)$/
const typed = /^(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:([T ])(\d{2})(?::(\d{2})(?::(\d{2}))?)?(Z|[+-]\d{2}(?::?\d{2})?)?)?)?)?$/

/** Milliseconds since the epoch of the given time plus one unit of its last field; undefined if the text has none of the forms. */
function endOfNamedTime(text: string): number | undefined {
  const p = printed.exec(text)
  if (p) {
    const fields = p.slice(1, 7).map(Number) as [number, number, number, number, number, number]
    const ms = p[7] === undefined ? undefined : Number(p[7].slice(1))
    if (!isDate(fields[0], fields[1], fields[2]) || !isTime(fields[3], fields[4], fields[5])) return undefined
    const step = ms === undefined ? { second: 1, ms: 0 } : { second: 0, ms: ms + 1 }
    return inZone([...fields.slice(0, 5), fields[5] + step.second, step.ms] as Fields, zoneMinutes(p[8] as string, fields))
  }
  const t = typed.exec(text)
  if (!t) return undefined
  const [, y, mo, d, separator, h, mi, s, zone] = t
  // A zone goes with a time of day that has minutes; blank and zone do not go together.
  if (zone !== undefined && (mi === undefined || separator === ' ')) return undefined
  if (zone !== undefined && s === undefined && !/^(?:Z|[+-]\d{2})$/.test(zone)) return undefined
  const fields = [y, mo, d, h, mi, s].map((f) => (f === undefined ? undefined : Number(f)))
  const given = fields.filter((f) => f !== undefined).length
  const at: Fields = [fields[0] as number, fields[1] ?? 1, fields[2] ?? 1, fields[3] ?? 0, fields[4] ?? 0, fields[5] ?? 0, 0]
  if (!isDate(at[0], at[1], at[2]) || !isTime(at[3], at[4], at[5])) return undefined
  at[given - 1] = (at[given - 1] as number) + 1
  return inZone(at, zone === undefined ? undefined : zoneMinutes(zone, at))
}

type Fields = [year: number, month: number, day: number, hour: number, minute: number, second: number, ms: number]

const isDate = (y: number, m: number, d: number): boolean => m >= 1 && m <= 12 && d >= 1 && d <= new Date(Date.UTC(y, m, 0)).getUTCDate()
const isTime = (h: number, m: number, s: number): boolean => h <= 23 && m <= 59 && s <= 59

/** `minutes` east of UTC; undefined = local time. */
function inZone([y, mo, d, h, mi, s, ms]: Fields, minutes: number | undefined): number {
  if (minutes === undefined) return new Date(y, mo - 1, d, h, mi, s, ms).getTime()
  return Date.UTC(y, mo - 1, d, h, mi, s, ms) - minutes * 60_000
}

/** Offset of `Z`, `±hh`, `±hh:mm`, `±hhmm`, or an abbreviation of the local zone (undefined = take local time); others count as UTC. */
function zoneMinutes(zone: string, [y, mo, d, h, mi, s]: readonly number[]): number | undefined {
  const m = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone)
  if (m) return (m[1] === '-' ? -1 : 1) * (Number(m[2]) * 60 + Number(m[3] ?? 0))
  if (zone === 'Z' || zone === 'UTC') return 0
  const local = new Date(y as number, (mo as number) - 1, d, h, mi, s)
  const name = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(local).find((part) => part.type === 'timeZoneName')
  return name?.value === zone ? undefined : 0
}
