import { TemplateError } from './errors.ts'
import { fieldOf, isTrue, lengthOf, numberOf, pairsOf, type TemplateValue, textOf } from './values.ts'

export type TemplateFunction = (...args: TemplateValue[]) => TemplateValue

function equal(a: TemplateValue, b: TemplateValue): boolean {
  const [x, y] = [numberOf(a), numberOf(b)]
  return x !== undefined && y !== undefined ? x === y : textOf(a) === textOf(b)
}

function order(a: TemplateValue, b: TemplateValue): number {
  const [x, y] = [numberOf(a), numberOf(b)]
  if (x !== undefined && y !== undefined) return x - y
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  throw new TemplateError('only numbers with numbers and texts with texts can be compared')
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' }

/** Text that means itself in HTML. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => entities[c] as string)

const first = (args: readonly TemplateValue[]): TemplateValue => {
  if (args.length === 0) throw new TemplateError('a function of the template has no argument')
  return args[0] as TemplateValue
}

/** Member of a list by number, of a map or object by name; several go deeper. */
function indexed(value: TemplateValue, ...keys: TemplateValue[]): TemplateValue {
  let at = value
  for (const key of keys) {
    if (typeof key !== 'number') at = fieldOf(at, textOf(key))
    else {
      const pair = pairsOf(at)[key]
      if (!pair) throw new TemplateError(`there is no item ${key} in a list of ${pairsOf(at).length}`)
      at = pair[1]
    }
  }
  return at
}

/** The built-in functions of the template language (spec 05, 5.7.3). */
export const builtinFunctions: Readonly<Record<string, TemplateFunction>> = {
  and: (...args) => args.find((v) => !isTrue(v)) ?? args.at(-1) ?? null,
  or: (...args) => args.find((v) => isTrue(v)) ?? args.at(-1) ?? null,
  not: (...args) => !isTrue(first(args)),
  len: (...args) => lengthOf(first(args)),
  index: (...args) => indexed(first(args), ...args.slice(1)),
  print: (...args) => args.map(textOf).join(args.every((v) => typeof v === 'string') ? '' : ' '),
  println: (...args) => `${args.map(textOf).join(' ')}\n`,
  printf: (...args) => formatted(textOf(first(args)), args.slice(1)),
  html: (...args) => escapeHtml(args.map(textOf).join('')),
  urlquery: (...args) => encodeURIComponent(args.map(textOf).join('')),
  eq: (...args) => args.slice(1).some((v) => equal(first(args), v)),
  ne: (a = null, b = null) => !equal(a, b),
  lt: (a = null, b = null) => order(a, b) < 0,
  le: (a = null, b = null) => order(a, b) <= 0,
  gt: (a = null, b = null) => order(a, b) > 0,
  ge: (a = null, b = null) => order(a, b) >= 0,
}

const maxWidth = 1000

/** The verbs `%s %v %d %q %t %f %.1f %x %%` with width and `-`. */
function formatted(pattern: string, args: readonly TemplateValue[]): string {
  let next = 0
  const text = pattern.replace(/%(-?)(0?)(\d*)(?:\.(\d+))?([a-zA-Z%])/g, (_, minus: string, zero: string, wide: string, digits, verb) => {
    if (verb === '%') return '%'
    const value = args[next++]
    if (value === undefined) return `%!${verb}(MISSING)`
    const width = Math.min(Number(wide), maxWidth)
    const printed = verbText(verb as string, value, digits === undefined ? undefined : Number(digits))
    if (minus !== '') return printed.padEnd(width)
    return printed.padStart(width, zero !== '' && verb !== 's' ? '0' : ' ')
  })
  return next < args.length ? `${text}%!(EXTRA ${args.slice(next).map(textOf).join(', ')})` : text
}

function verbText(verb: string, value: TemplateValue, digits: number | undefined): string {
  if (verb === 'f') return (numberOf(value) ?? 0).toFixed(Math.min(digits ?? 6, 20))
  if (verb === 'q') return JSON.stringify(textOf(value))
  if (verb === 'x') return (numberOf(value) ?? 0).toString(16)
  if (verb === 'd') return String(numberOf(value) ?? textOf(value))
  const text = textOf(value)
  return digits === undefined ? text : text.slice(0, digits)
}
