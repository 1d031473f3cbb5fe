import { KuraError } from '#base/errors.ts'
import { type CharacterSet, parseSet } from './ignore-set.ts'

/** A rule that cannot be compiled. */
export class IgnoreRuleError extends KuraError {
  readonly code = 'IGNORE_RULE'
}

/** A path in the forms that matching needs, made once for all rules. `text` starts with `/`. */
export class MatchPath {
  #points: Uint32Array | undefined

  constructor(readonly text: string) {}

  /** Code points; a byte that was not UTF-8 is U+FFFD. */
  get points(): Uint32Array {
    this.#points ??= codePoints(this.text)
    return this.#points
  }
}

export interface IgnorePattern {
  readonly negated: boolean
  readonly directoriesOnly: boolean
  matches(path: MatchPath): boolean
}

export const codePoints = (text: string): Uint32Array => Uint32Array.from(text.toWellFormed(), (c) => c.codePointAt(0) as number)

const slash = 0x2f
const white = '[\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]*'
const leadingWhite = new RegExp(`^${white}`)

/** Compiles one rule; undefined for a blank one. `base`: directory of the rule from the snapshot root, `/a/b`, '' for the root.
 *  Throws IgnoreRuleError. Source: spec 07, 7.2.4. */
export function compilePattern(line: string, base: string): IgnorePattern | undefined {
  const text = trim(line.toWellFormed())
  if (text === '') return undefined
  const negated = text.startsWith('!')
  const start = negated ? 1 : 0
  const rooted = text[start] === '/'
  const tokens: Token[] = []
  if (!rooted) {
    tokens.push('sep')
    const firstSlash = text.indexOf('/')
    if (text !== '**' && (firstSlash < 0 || firstSlash === text.length - 1)) tokens.push('globstar', 'sep')
  }
  const directoriesOnly = text.length > start && text.endsWith('/')
  tokenize(directoriesOnly ? text.slice(0, -1) : text, start, tokens, line)
  return { negated, directoriesOnly, matches: matcher(tokens, base) }
}

function trim(line: string): string {
  const escapedEnd = line.at(-2) === '\\' && (line.at(-1) as string) < '\x80'
  const text = line.replace(leadingWhite, '')
  if (Buffer.byteLength(line) <= 2 || escapedEnd) return text
  // Backwards by hand: a regular expression for trailing blanks would look at every run of blanks.
  let end = text.length
  while (end > 0 && leadingWhite.exec(text[end - 1] as string)?.[0] !== '') end--
  return text.slice(0, end)
}

/** A number is a literal code point. */
export type Token = number | 'sep' | 'any' | 'star' | 'globstar' | CharacterSet

function tokenize(text: string, start: number, tokens: Token[], line: string): void {
  const chars = [...text]
  for (let i = start; i < chars.length; ) {
    const c = chars[i] as string
    if (c === '\\') {
      if (i + 1 >= chars.length) throw new IgnoreRuleError(`the ignore rule "${line}" ends in a backslash that escapes nothing`)
      tokens.push(literal(chars[i + 1] as string))
      i += 2
    } else if (c === '*') {
      const from = i
      while (chars[i] === '*') i++
      const isGlobstar = i - from > 1 && (from === 0 || (chars[from - 1] === '/' && (i === chars.length || chars[i] === '/')))
      tokens.push(isGlobstar ? 'globstar' : 'star')
    } else if (c === '[') {
      const { set, end } = parseSet(chars, i, (problem) => new IgnoreRuleError(`the ignore rule "${line}" is not valid: ${problem}`))
      tokens.push(set)
      i = end
    } else {
      tokens.push(c === '?' ? 'any' : literal(c))
      i++
    }
  }
}

const literal = (c: string): Token => (c === '/' ? 'sep' : (c.codePointAt(0) as number))

function matcher(tokens: readonly Token[], base: string): (path: MatchPath) => boolean {
  const quick = quickMatcher(tokens, base)
  if (quick) return quick
  const baseLength = base.length
  const walker = new Walker(tokens)
  const prefix = baseLength === 0 ? 0 : codePoints(base).length
  return (path) => path.text.startsWith(base) && walker.matches(path.points, prefix)
}

const textOf = (tokens: readonly Token[]): string | undefined => {
  let text = ''
  for (const t of tokens) {
    if (t === 'sep') text += '/'
    else if (typeof t === 'number') text += String.fromCodePoint(t)
    else return undefined
  }
  return text
}

/** The forms that nearly all rules have, as plain string comparisons: `name`, `*.ext` (any depth), `/path/to`. */
function quickMatcher(tokens: readonly Token[], base: string): ((path: MatchPath) => boolean) | undefined {
  if (tokens[0] === 'sep' && tokens[1] === 'globstar' && tokens[2] === 'sep' && tokens.length > 3) {
    const name = textOf(tokens.slice(3))
    const at = `${base}/`
    if (name !== undefined && !name.includes('/')) {
      const end = `/${name}`
      return ({ text }) => text.endsWith(end) && text.startsWith(at)
    }
    const suffix = tokens[3] === 'star' && tokens.length > 4 ? textOf(tokens.slice(4)) : undefined
    if (suffix !== undefined && !suffix.includes('/')) return ({ text }) => text.endsWith(suffix) && text.startsWith(at)
    return undefined
  }
  const whole = textOf(tokens)
  if (whole === undefined) return undefined
  const full = base + whole
  return ({ text }) => text === full
}

const hit = 1
/** This way does not match. */
const miss = 2
/** The text is used up; longer stars cannot help. */
const dead = 3
/** A star reached the end of its path segment; only a globstar around it may go on. */
const segmentEnd = 4

/** Matching by spec 07, 7.2.5, with what was found out for (token, position) remembered: time is bounded by tokens × length². */
class Walker {
  readonly #tokens: readonly Token[]
  readonly #starCount: number
  #text = new Uint32Array(0)
  #known = new Uint8Array(0)

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
    this.#starCount = tokens.filter((t) => t === 'star' || t === 'globstar').length
  }

  matches(text: Uint32Array, from: number): boolean {
    this.#text = text as Uint32Array<ArrayBuffer>
    if (this.#starCount > 1) {
      const size = (this.#tokens.length + 1) * (text.length + 1)
      if (this.#known.length < size) this.#known = new Uint8Array(size * 2)
      else this.#known.fill(0, 0, size)
    }
    return this.#walk(0, from) === hit
  }

  #walk(token: number, position: number): number {
    if (this.#starCount < 2) return this.#step(token, position)
    const key = token * (this.#text.length + 1) + position
    const known = this.#known[key] as number
    if (known !== 0) return known
    const result = this.#step(token, position)
    this.#known[key] = result
    return result
  }

  #step(fromToken: number, start: number): number {
    const tokens = this.#tokens
    const text = this.#text
    let position = start
    for (let i = fromToken; i < tokens.length; i++) {
      const token = tokens[i] as Token
      if (token === 'star' || token === 'globstar') {
        if (i + 1 === tokens.length) return token === 'globstar' || text.indexOf(slash, position) < 0 ? hit : miss
        if (token === 'star' && tokens[i + 1] === 'sep') {
          const next = text.indexOf(slash, position)
          if (next < 0 || (next === position && position === start)) return miss
          position = next
          continue
        }
        return this.#expand(token, i, position)
      }
      if (position >= text.length) return dead
      if (!fits(token, text[position] as number)) return miss
      position++
    }
    return position === text.length ? hit : miss
  }

  #expand(star: 'star' | 'globstar', i: number, position: number): number {
    const text = this.#text
    if (star === 'globstar' && this.#tokens[i + 1] === 'sep' && i + 2 < this.#tokens.length)
      if (this.#walk(i + 2, position) === hit) return hit
    for (let at = position; at < text.length; at++) {
      const result = this.#walk(i + 1, at)
      if (result === hit || result === dead) return result
      if (star === 'globstar') continue
      if (result === segmentEnd || text[Math.max(at - 1, position)] === slash) return segmentEnd
    }
    return dead
  }
}

function fits(token: Exclude<Token, 'star' | 'globstar'>, point: number): boolean {
  if (typeof token === 'number') return token === point
  if (token === 'sep') return point === slash
  if (token === 'any') return point !== slash
  return token.has(point)
}
