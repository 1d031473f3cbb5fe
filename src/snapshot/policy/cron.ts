/** Cron lines in the dialect of hashicorp/cronexpr (spec 07, 7.3.4), in the time zone of the process. */

interface FieldRange {
  readonly low: number
  readonly high: number
  readonly names?: readonly string[]
}

const monthNames = 'january february march april may june july august september october november december'.split(' ')
const dayNames = 'sunday monday tuesday wednesday thursday friday saturday'.split(' ')
const second: FieldRange = { low: 0, high: 59 }
const minute: FieldRange = { low: 0, high: 59 }
const hour: FieldRange = { low: 0, high: 23 }
const dayOfMonth: FieldRange = { low: 1, high: 31 }
const month: FieldRange = { low: 1, high: 12, names: monthNames }
const dayOfWeek: FieldRange = { low: 0, high: 6, names: dayNames }
const year: FieldRange = { low: 1970, high: 2099 }

interface DayRule {
  readonly isAny: boolean
  readonly days: ReadonlySet<number>
  /** `L`, `LW` */
  readonly last: boolean
  readonly lastWorkday: boolean
  /** `nW` */
  readonly workdaysNear: readonly number[]
  /** `nL` of the weekday field. */
  readonly lastWeekdays: readonly number[]
}

export interface CronSchedule {
  readonly seconds: readonly number[]
  readonly minutes: readonly number[]
  readonly hours: readonly number[]
  readonly dayOfMonth: DayRule
  readonly months: ReadonlySet<number>
  readonly dayOfWeek: DayRule
  readonly years: ReadonlySet<number>
}

const macros: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@hourly': '0 * * * *',
}

/** The line without its comment. */
export const cronText = (line: string): string => (line.split('#', 1)[0] as string).trim()

/** Undefined if the line is empty or no cron expression. */
export function parseCron(line: string): CronSchedule | undefined {
  const text = cronText(line)
  let fields = (macros[text.toLowerCase()] ?? text).split(/\s+/).filter((f) => f !== '')
  if (fields.length < 5) return undefined
  if (fields.length === 5) fields.push('*')
  if (fields.length === 6) fields.unshift('0')
  fields = fields.slice(0, 7)
  const [s, mi, h, dom, mo, dow, y] = fields as [string, string, string, string, string, string, string]
  const seconds = parseList(s, second)
  const minutes = parseList(mi, minute)
  const hours = parseList(h, hour)
  const months = parseList(mo, month)
  const years = parseList(y, year)
  const days = parseDays(dom, dayOfMonth)
  const weekdays = parseDays(dow, dayOfWeek)
  if (!seconds || !minutes || !hours || !months || !years || !days || !weekdays) return undefined
  return {
    seconds: sorted(seconds),
    minutes: sorted(minutes),
    hours: sorted(hours),
    dayOfMonth: days,
    months,
    dayOfWeek: weekdays,
    years,
  }
}

const sorted = (set: ReadonlySet<number>): number[] => [...set].sort((a, b) => a - b)

function parseList(text: string, range: FieldRange): Set<number> | undefined {
  const values = new Set<number>()
  for (const part of text.split(',')) if (!addPart(part, range, values)) return undefined
  return values
}

function addPart(part: string, range: FieldRange, values: Set<number>): boolean {
  const m = /^(\*|\?|[0-9a-z]+(?:-[0-9a-z]+)?)(?:\/(\d{1,4}))?$/i.exec(part)
  if (!m) return false
  const step = m[2] === undefined ? 1 : Number(m[2])
  if (step < 1 || step > range.high) return false
  const [from, to] = (m[1] as string).split('-') as [string, string | undefined]
  let low = range.low
  let high = range.high
  if (from !== '*' && from !== '?') {
    const first = parseValue(from, range)
    const last = to === undefined ? first : parseValue(to, range)
    if (first === undefined || last === undefined) return false
    low = first
    if (to !== undefined) high = range === dayOfWeek && last === 0 ? 6 : last
    else if (m[2] === undefined) high = first
    if (high < low) return false
  }
  for (let v = low; v <= high; v += step) values.add(v)
  return true
}

function parseValue(text: string, range: FieldRange): number | undefined {
  if (/^\d{1,4}$/.test(text)) {
    const value = Number(text)
    if (range === dayOfWeek && value === 7) return 0
    return value >= range.low && value <= range.high ? value : undefined
  }
  const lower = text.toLowerCase()
  const at = range.names?.findIndex((n) => n === lower || n.slice(0, 3) === lower) ?? -1
  return at < 0 ? undefined : at + range.low
}

function parseDays(text: string, range: FieldRange): DayRule | undefined {
  const days = new Set<number>()
  const workdaysNear: number[] = []
  const lastWeekdays: number[] = []
  let last = false
  let lastWorkday = false
  for (const part of text.split(',')) {
    const upper = part.toUpperCase()
    const special = /^([0-9A-Z]+)([LW])$/.exec(upper)
    const value = special ? parseValue(special[1] as string, range) : undefined
    if (range === dayOfMonth && upper === 'L') last = true
    else if (range === dayOfMonth && upper === 'LW') lastWorkday = true
    else if (range === dayOfMonth && special?.[2] === 'W' && value !== undefined) workdaysNear.push(value)
    else if (range === dayOfWeek && special?.[2] === 'L' && value !== undefined) lastWeekdays.push(value)
    else if (range === dayOfWeek && upper === 'L') lastWeekdays.push(6)
    else if (!addPart(part, range, days)) return undefined
  }
  return { isAny: text === '*' || text === '?', days, last, lastWorkday, workdaysNear, lastWeekdays }
}

const daysIn = (y: number, m: number): number => new Date(Date.UTC(y, m, 0)).getUTCDate()
const weekdayOf = (y: number, m: number, d: number): number => new Date(Date.UTC(y, m - 1, d)).getUTCDay()

/** Working day nearest to a day, in the same month. */
function workdayNear(y: number, m: number, d: number): number {
  const lastDay = daysIn(y, m)
  const day = Math.min(d, lastDay)
  const weekday = weekdayOf(y, m, day)
  if (weekday === 6) return day > 1 ? day - 1 : day + 2
  if (weekday === 0) return day < lastDay ? day + 1 : day - 2
  return day
}

function dayMatches(schedule: CronSchedule, y: number, m: number, d: number): boolean {
  const inMonth = (r: DayRule) =>
    r.days.has(d) ||
    (r.last && d === daysIn(y, m)) ||
    (r.lastWorkday && d === workdayNear(y, m, daysIn(y, m))) ||
    r.workdaysNear.some((n) => n <= daysIn(y, m) && workdayNear(y, m, n) === d)
  const weekday = weekdayOf(y, m, d)
  const inWeek = (r: DayRule) => r.days.has(weekday) || (r.lastWeekdays.includes(weekday) && d + 7 > daysIn(y, m))
  if (schedule.dayOfMonth.isAny) return schedule.dayOfWeek.isAny || inWeek(schedule.dayOfWeek)
  if (schedule.dayOfWeek.isAny) return inMonth(schedule.dayOfMonth)
  return inMonth(schedule.dayOfMonth) || inWeek(schedule.dayOfWeek)
}

/** First time strictly after `afterMs` (milliseconds since the epoch), or undefined if there is none up to 2099. */
export function nextCronTime(schedule: CronSchedule, afterMs: number): number | undefined {
  const start = new Date(afterMs)
  for (let y = start.getFullYear(); y <= year.high; y++) {
    if (!schedule.years.has(y)) continue
    for (let m = y === start.getFullYear() ? start.getMonth() + 1 : 1; m <= 12; m++) {
      if (!schedule.months.has(m)) continue
      const isFirst = y === start.getFullYear() && m === start.getMonth() + 1
      for (let d = isFirst ? start.getDate() : 1; d <= daysIn(y, m); d++) {
        if (!dayMatches(schedule, y, m, d)) continue
        const time = firstOfDay(schedule, y, m, d, afterMs)
        if (time !== undefined) return time
      }
    }
  }
  return undefined
}

const hourMs = 3_600_000

function firstOfDay(schedule: CronSchedule, y: number, m: number, d: number, afterMs: number): number | undefined {
  for (const h of schedule.hours) {
    const start = new Date(y, m - 1, d, h)
    const time = firstOfHour(schedule, start.getTime(), afterMs)
    if (time !== undefined) return time
    // The clock was put back: this hour comes again. That matters to what runs every hour, not to what runs once a day.
    const again = new Date(start.getTime() + hourMs)
    const second = schedule.hours.length === 24 && again.getHours() === h ? firstOfHour(schedule, again.getTime(), afterMs) : undefined
    if (second !== undefined) return second
  }
  return undefined
}

/** `hourStartMs`: a full hour of the local clock. */
function firstOfHour(schedule: CronSchedule, hourStartMs: number, afterMs: number): number | undefined {
  for (const mi of schedule.minutes) {
    const minuteMs = hourStartMs + mi * 60_000
    // The whole minute is over: no need to look at its seconds.
    if (minuteMs + 59_000 <= afterMs) continue
    for (const s of schedule.seconds) if (minuteMs + s * 1000 > afterMs) return minuteMs + s * 1000
  }
  return undefined
}
