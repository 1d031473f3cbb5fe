import type { Snapshot } from '#snapshot/model/snapshot.ts'
import type { RetentionPolicy } from './policy.ts'

/** What retention looks at. */
export type RetentionInput = Pick<Snapshot, 'id' | 'startNs' | 'endNs' | 'incomplete' | 'pins'>

export interface Retained<T extends RetentionInput = RetentionInput> {
  readonly snapshot: T
  /** `latest-1`, `daily-3`, `incomplete` …; sorted for display. */
  readonly reasons: readonly string[]
  /** Neither a reason nor a pin. */
  readonly isExpired: boolean
}

const kinds = ['latest', 'annual', 'monthly', 'weekly', 'daily', 'hourly'] as const
type Kind = (typeof kinds)[number]

const fields: Readonly<Record<Kind, Exclude<keyof RetentionPolicy, 'ignoreIdenticalSnapshots'>>> = {
  latest: 'keepLatest',
  annual: 'keepAnnual',
  monthly: 'keepMonthly',
  weekly: 'keepWeekly',
  daily: 'keepDaily',
  hourly: 'keepHourly',
}

const hourMs = 3_600_000
const keptIncompleteNs = BigInt(4 * hourMs) * 1_000_000n
const keptIncompleteCount = 3

/** Why each snapshot of one source is kept, newest first. Weeks and cut-offs follow the time zone of the process, all else is UTC.
 *  Source: spec 03, 7.7; spec 07, 7.3.5. */
export function applyRetention<T extends RetentionInput>(snapshots: readonly T[], policy: RetentionPolicy): Retained<T>[] {
  const ordered = snapshots.toSorted((a, b) => compareDescending(a.startNs, b.startNs) || compareDescending(a.endNs, b.endNs))
  const reasons = ordered.map((): string[] => [])
  markComplete(ordered, reasons, policy)
  markIncomplete(ordered, reasons)
  return ordered.map((snapshot, i) => {
    const sorted = sortReasons(reasons[i] as string[])
    return { snapshot, reasons: sorted, isExpired: sorted.length === 0 && snapshot.pins.length === 0 }
  })
}

const compareDescending = (a: bigint, b: bigint): number => (a > b ? -1 : a < b ? 1 : 0)

function markComplete(ordered: readonly RetentionInput[], reasons: string[][], policy: RetentionPolicy): void {
  const newest = ordered.find((s) => !s.incomplete)
  if (!newest) return
  const limits = new Map<Kind, number>()
  for (const kind of kinds) {
    const limit = policy[fields[kind]]
    if (limit !== undefined) limits.set(kind, limit)
  }
  if ([...limits.values()].reduce((a, b) => a + b, 0) === 0) limits.set('latest', Number.POSITIVE_INFINITY)
  const cutoffs = new Map([...limits].map(([kind, limit]) => [kind, cutoff(kind, newest.startNs, limit)]))
  const taken = new Set<string>()
  const counts = new Map<Kind, number>()
  for (const [i, s] of ordered.entries()) {
    if (s.incomplete) continue
    for (const kind of kinds) {
      const limit = limits.get(kind)
      if (limit === undefined || s.startNs < (cutoffs.get(kind) as bigint)) continue
      const period = periodId(kind, i, s.startNs)
      const count = counts.get(kind) ?? 0
      if (taken.has(period) || count >= limit) continue
      taken.add(period)
      counts.set(kind, count + 1)
      reasons[i]?.push(`${kind}-${count + 1}`)
    }
  }
}

/** Calendar arithmetic in local time; days that a month does not have run over into the next. */
function cutoff(kind: Kind, newestNs: bigint, limit: number): bigint {
  if (kind === 'latest') return -(2n ** 63n)
  const wholeMs = newestNs / 1_000_000n
  const rest = newestNs - wholeMs * 1_000_000n
  const date = new Date(Number(wholeMs))
  if (kind === 'annual') date.setFullYear(date.getFullYear() - limit)
  else if (kind === 'monthly') date.setMonth(date.getMonth() - limit)
  else if (kind === 'weekly') date.setDate(date.getDate() - 7 * limit)
  else if (kind === 'daily') date.setDate(date.getDate() - limit)
  else date.setTime(date.getTime() - limit * hourMs)
  // A limit beyond what a calendar holds: nothing is too old.
  return Number.isNaN(date.getTime()) ? -(2n ** 63n) : BigInt(date.getTime()) * 1_000_000n + rest
}

function periodId(kind: Kind, index: number, startNs: bigint): string {
  const ms = Number(startNs / 1_000_000n)
  if (kind === 'latest') return String(index)
  if (kind === 'weekly') return isoWeek(new Date(ms))
  const utc = new Date(ms).toISOString()
  return kind === 'annual'
    ? utc.slice(0, 4)
    : kind === 'monthly'
      ? utc.slice(0, 7)
      : kind === 'daily'
        ? utc.slice(0, 10)
        : utc.slice(0, 13).replace('T', ' ')
}

/** `YYYY-WW` of the ISO 8601 week that the local date lies in. */
function isoWeek(local: Date): string {
  const day = new Date(Date.UTC(local.getFullYear(), local.getMonth(), local.getDate()))
  day.setUTCDate(day.getUTCDate() + 4 - (day.getUTCDay() || 7))
  const year = day.getUTCFullYear()
  const week = Math.floor((day.getTime() - Date.UTC(year, 0, 1)) / (7 * 24 * hourMs)) + 1
  return `${year}-${String(week).padStart(2, '0')}`
}

function markIncomplete(ordered: readonly RetentionInput[], reasons: string[][]): void {
  const newest = ordered[0]
  for (const [i, s] of ordered.entries()) {
    if (!s.incomplete || !newest) return
    if (newest.startNs - s.startNs >= keptIncompleteNs && i >= keptIncompleteCount) return
    reasons[i]?.push('incomplete')
  }
}

const displayOrder = ['latest', 'hourly', 'daily', 'weekly', 'monthly', 'annual']

/** latest, hourly … annual, others first, then by text. */
const sortReasons = (reasons: readonly string[]): string[] => {
  const rank = (r: string) => displayOrder.indexOf(r.replace(/-\d+$/, ''))
  return reasons.toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0))
}

/** Reasons for people: runs of one kind in one, `latest-1..3`. Input as sorted by applyRetention, of one or more snapshots. */
export function compactReasons(reasons: readonly string[]): string[] {
  const result: string[] = []
  const numbers = new Map<string, number[]>()
  for (const reason of reasons) {
    const m = /^(.*)-(\d+)$/.exec(reason)
    if (!m) result.push(reason)
    else numbers.set(m[1] as string, [...(numbers.get(m[1] as string) ?? []), Number(m[2])])
  }
  for (const [kind, list] of numbers) {
    const values = list.sort((a, b) => a - b)
    for (let i = 0; i < values.length; ) {
      let end = i
      while (values[end + 1] === (values[end] as number) + 1) end++
      result.push(end === i ? `${kind}-${values[i]}` : `${kind}-${values[i]}..${values[end]}`)
      i = end + 1
    }
  }
  return result
}
