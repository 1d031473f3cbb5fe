import { TemplateError } from './template/errors.ts'
import type { TemplateFunction } from './template/functions.ts'
import { fieldOf, numberOf, PrintedValue, pairsOf, type TemplateValue, textOf } from './template/values.ts'

/** How sizes and durations are written; whoever sends has its own ways. */
export interface TextForms {
  bytes(value: number): string
  duration(ns: bigint): string
}

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const two = (n: number): string => String(n).padStart(2, '0')

function zone(at: Date): string {
  const offset = -at.getTimezoneOffset()
  const size = Math.abs(offset)
  return `${offset < 0 ? '-' : '+'}${two(Math.floor(size / 60))}${two(size % 60)}`
}

const clock = (at: Date): string => `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`

/** `Mon, 02 Jan 2006 15:04:05 -0700` in the local zone. */
function mailTime(ns: bigint): string {
  const at = new Date(Number(ns / 1_000_000n))
  return `${days[at.getDay()]}, ${two(at.getDate())} ${months[at.getMonth()]} ${at.getFullYear()} ${clock(at)} ${zone(at)}`
}

/** A point in time as templates see it. */
export function timeValue(ns: bigint): PrintedValue {
  const at = new Date(Number(ns / 1_000_000n))
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return new PrintedValue(`${date} ${clock(at)} ${zone(at)}`, { Unix: Number(ns / 1_000_000_000n), Year: at.getFullYear() }, ns)
}

export const durationValue = (ns: bigint, forms: TextForms): PrintedValue =>
  new PrintedValue(
    forms.duration(ns),
    { Seconds: Number(ns) / 1e9, Minutes: Number(ns) / 60e9, Hours: Number(ns) / 3600e9, String: forms.duration(ns) },
    ns,
  )

const whole = (value: TemplateValue = null): number => {
  const number = numberOf(value)
  if (number === undefined) throw new TemplateError(`${textOf(value)} is no number`)
  return number
}

const sourceText = (snapshot: TemplateValue): string => textOf(fieldOf(fieldOf(snapshot, 'Manifest'), 'Source'))

function change(value: number, form: (n: number) => string): string {
  if (value === 0) return ''
  return ` (${value > 0 ? '+' : '-'}${form(Math.abs(value))})`
}

function changeHtml(value: number, form: (n: number) => string): string {
  if (value === 0) return ''
  const [kind, arrow] = value > 0 ? ['increase', '&#x2191;'] : ['decrease', '&#x2193;']
  return ` <span class="${kind}">(${arrow} ${form(Math.abs(value))})</span>`
}

/** What templates of notifications can call beside the functions of the language (spec 05, 5.7.3). */
export function notificationFunctions(forms: TextForms): Readonly<Record<string, TemplateFunction>> {
  return {
    bytes: (v) => forms.bytes(whole(v)),
    formatCount: (v) => String(whole(v)),
    bytesDelta: (v) => change(whole(v), forms.bytes),
    countDelta: (v) => change(whole(v), String),
    bytesDeltaHTML: (v) => changeHtml(whole(v), forms.bytes),
    countDeltaHTML: (v) => changeHtml(whole(v), String),
    formatTime: (v = null) => (v instanceof PrintedValue && v.raw !== undefined ? mailTime(v.raw) : textOf(v)),
    sortSnapshotManifestsByName: (v = null) =>
      pairsOf(v)
        .map(([, item]) => ({ item, name: sourceText(item) }))
        .sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)))
        .map(({ item }) => item),
  }
}
