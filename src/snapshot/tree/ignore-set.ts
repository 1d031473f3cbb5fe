/** Character sets of ignore rules, `[...]` (spec 07, 7.2.4). */
export interface CharacterSet {
  has(point: number): boolean
}

const classes: Readonly<Record<string, RegExp>> = {
  alnum: /[\p{L}\p{Nd}]/u,
  alpha: /\p{L}/u,
  ascii: /[\x00-\x7f]/u,
  blank: /[\p{Zs}\t]/u,
  cntrl: /\p{Cc}/u,
  digit: /\p{Nd}/u,
  graph: /[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]/u,
  lower: /\p{Ll}/u,
  print: /[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u,
  punct: /[\p{P}\p{S}]/u,
  space: /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/u,
  upper: /\p{Lu}/u,
  xdigit: /[A-Fa-f\p{Nd}]/u,
}

interface Range {
  readonly low: number
  readonly high: number
}

class ParsedSet implements CharacterSet {
  constructor(
    readonly inverted: boolean,
    readonly ranges: readonly Range[],
    readonly classes: readonly RegExp[],
  ) {}

  has(point: number): boolean {
    const inside =
      this.ranges.some((r) => point >= r.low && point <= r.high) || this.classes.some((c) => c.test(String.fromCodePoint(point)))
    return inside !== this.inverted
  }
}

/** Parses the set whose `[` is at `open` in the trimmed rule; `end` is the index after its `]`. Throws what `fail` makes. */
export function parseSet(
  chars: readonly string[],
  open: number,
  fail: (problem: string) => Error,
): { readonly set: CharacterSet; readonly end: number } {
  const ranges: Range[] = []
  const named: RegExp[] = []
  const inverted = chars[open + 1] === '!'
  let i = open + (inverted ? 2 : 1)
  const item = (): number => {
    if (chars[i] === '\\') i++
    const c = chars[i++]
    if (c === undefined) throw fail('a "[" has no "]"')
    return c.codePointAt(0) as number
  }
  while (chars[i] !== ']') {
    if (i >= chars.length) throw fail('a "[" has no "]"')
    if (chars[i] === '[' && chars[i + 1] === ':') {
      const close = classEnd(chars, i + 1, fail)
      if (close !== undefined) {
        const name = chars.slice(i + 2, close - 1).join('')
        const regexp = Object.hasOwn(classes, name.toLowerCase()) ? classes[name.toLowerCase()] : undefined
        if (!regexp) throw fail(`there is no character class "${name}"`)
        named.push(regexp)
        i = close + 1
        continue
      }
    }
    const low = item()
    if (chars[i] === '-' && i + 1 < chars.length && chars[i + 1] !== ']') {
      i++
      ranges.push({ low, high: item() })
    } else ranges.push({ low, high: low })
  }
  return { set: new ParsedSet(inverted, ranges, named), end: i + 1 }
}

/** Index of the `]` that ends `[:name:]`, whose first colon is at `colon`; undefined if this is no class. The reference compares the
 *  length with the position in the rule, so a class is known only near the start of a rule; users' rules depend on it. */
function classEnd(chars: readonly string[], colon: number, fail: (problem: string) => Error): number | undefined {
  const close = chars.indexOf(']', colon)
  if (close < 0) throw fail('a "[" has no "]"')
  return close - colon - 1 > colon && chars[close - 1] === ':' ? close : undefined
}
