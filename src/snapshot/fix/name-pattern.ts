import { UsageError } from '#base/errors.ts'

/** A shell pattern on one name, as Go's path.Match reads it: `*`, `?`, `[a-z]`, `[^a-z]`, and `\` before a character that is meant as it
 *  is; none of them matches a slash. Throws UsageError for a pattern that is not closed. Source: spec 07, 7.7.3. */
export function compileNamePattern(pattern: string): (name: string) => boolean {
  const fail = () => new UsageError(`the pattern ${JSON.stringify(pattern)} has a "[" without "]", an empty set, or nothing after "\\"`)
  const chars = [...pattern]
  let source = ''
  for (let i = 0; i < chars.length; i++) {
    const c = chars[i] as string
    if (c === '*') source += '[^/]*'
    else if (c === '?') source += '[^/]'
    else if (c === '[') {
      const set = parseSet(chars, i + 1, fail)
      source += set.source
      i = set.last
    } else if (c === '\\') {
      i++
      if (i >= chars.length) throw fail()
      source += literal(chars[i] as string)
    } else source += literal(c)
  }
  const regexp = new RegExp(`^(?:${source})$`, 'su')
  return (name) => regexp.test(name)
}

const literal = (c: string): string => `\\u{${(c.codePointAt(0) as number).toString(16)}}`

/** `start`: behind the bracket. `last`: index of the closing one. */
function parseSet(chars: readonly string[], start: number, fail: () => Error): { readonly source: string; readonly last: number } {
  let i = start
  const isNegated = chars[i] === '^'
  if (isNegated) i++
  const one = (): string => {
    if (chars[i] === ']' || chars[i] === '-') throw fail()
    if (chars[i] === '\\') i++
    const c = chars[i++]
    if (c === undefined) throw fail()
    return c
  }
  let ranges = ''
  let count = 0
  while (count === 0 || chars[i] !== ']') {
    const low = one()
    let high = low
    if (chars[i] === '-') {
      i++
      high = one()
    }
    if (low <= high) ranges += `${literal(low)}-${literal(high)}`
    count++
    if (i >= chars.length) throw fail()
  }
  // A slash is in no set, whatever it says.
  if (ranges === '') return { source: isNegated ? '[^/]' : '(?!)', last: i }
  return { source: `(?!/)[${isNegated ? '^' : ''}${ranges}]`, last: i }
}
