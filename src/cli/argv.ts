import { UsageError } from '#base/errors.ts'
import type { Command, Flag, Positional, Value } from './flag.ts'
import { builtinFlags, globalFlags } from './global-flags.ts'
import { type Branch, findChild, isLeaf, type Leaf } from './node.ts'
import { parseValue } from './values.ts'

/** One use of a flag; `text` is undefined for a boolean without a value. */
interface FlagUse {
  readonly flag: Flag
  readonly text: string | undefined
  readonly negated: boolean
}

/** A line split into its parts, aliases resolved, nothing checked yet that the reference checks later (spec 06, 2.3). */
export interface ParsedLine {
  /** Words of the command with aliases resolved, e.g. `['snapshot', 'list']`. */
  readonly path: readonly string[]
  /** The branch or leaf reached. */
  readonly at: Branch | Leaf
  readonly command: Command | undefined
  readonly uses: readonly FlagUse[]
  /** Flags in force for this command: its own, its parents' and the global ones. */
  readonly flags: readonly Flag[]
  readonly words: readonly string[]
  /** First error of the words themselves; reported only after the immediate flags have acted. */
  readonly error: UsageError | undefined
}

/** Reads a command line by the reference's rules: flags anywhere, joined short flags, `--no-x`, `--`, lone `-` (spec 06, 2.1).
 *  Never throws a usage error: it is in the result. */
export async function parseLine(words: readonly string[], root: Branch): Promise<ParsedLine> {
  const scan = new Scanner(root)
  try {
    for (let i = 0; i < words.length; ) i = await scan.next(words, i)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    return scan.result(error)
  }
  return scan.result(undefined)
}

class Scanner {
  readonly #path: string[] = []
  readonly #uses: FlagUse[] = []
  readonly #words: string[] = []
  #flags: Flag[] = [...builtinFlags, ...globalFlags]
  #at: Branch | Leaf
  #command: Command | undefined
  #onlyWords = false

  constructor(root: Branch) {
    this.#at = root
  }

  result(error: UsageError | undefined): ParsedLine {
    return { path: this.#path, at: this.#at, command: this.#command, uses: this.#uses, flags: this.#flags, words: this.#words, error }
  }

  /** Handles the word at `i`; returns the index of the next one. */
  async next(words: readonly string[], i: number): Promise<number> {
    const word = words[i] as string
    if (this.#onlyWords || !word.startsWith('-')) return this.#word(word, i)
    if (word === '-') return this.#word('', i)
    if (word === '--') {
      this.#onlyWords = true
      return i + 1
    }
    return word.startsWith('--') ? this.#long(word.slice(2), words, i) : this.#short(word.slice(1), words, i)
  }

  async #word(word: string, i: number): Promise<number> {
    if (isLeaf(this.#at)) {
      this.#words.push(word)
      return i + 1
    }
    const found = findChild(this.#at, word)
    if (!found) throw new UsageError(`expected command but got ${JSON.stringify(word)}`)
    this.#path.push(found.name)
    this.#at = found.node
    if (isLeaf(found.node)) {
      this.#command = await found.node.load()
      this.#flags = [...this.#command.flags, ...this.#flags]
    } else if (found.node.flags) this.#flags = [...(await found.node.flags()), ...this.#flags]
    return i + 1
  }

  #long(body: string, words: readonly string[], i: number): number {
    const cut = body.indexOf('=')
    const name = cut < 0 ? body : body.slice(0, cut)
    const given = cut < 0 ? undefined : body.slice(cut + 1)
    const direct = this.#flags.find((f) => f.name === name)
    const positive = direct ? undefined : this.#flags.find((f) => name === `no-${f.name}` && f.type === 'bool')
    const flag = direct ?? positive
    if (!flag) throw new UsageError(`unknown long flag '--${name}'`)
    if (flag.type === 'bool') {
      this.#uses.push({ flag, text: undefined, negated: positive !== undefined })
      // A boolean takes no value: what follows the sign stays as a word of its own.
      if (given !== undefined) this.#words.push(given)
      return i + 1
    }
    if (given !== undefined) {
      this.#uses.push({ flag, text: given, negated: false })
      return i + 1
    }
    return this.#valueOf(flag, words, i + 1)
  }

  #short(letters: string, words: readonly string[], i: number): number {
    for (let at = 0; at < letters.length; ) {
      const letter = String.fromCodePoint(letters.codePointAt(at) as number)
      const flag = this.#flags.find((f) => f.short === letter)
      if (!flag) throw new UsageError(`unknown short flag '-${letter}'`)
      at += letter.length
      if (flag.type === 'bool') this.#uses.push({ flag, text: undefined, negated: false })
      else if (at < letters.length) {
        this.#uses.push({ flag, text: letters.slice(at), negated: false })
        return i + 1
      } else return this.#valueOf(flag, words, i + 1)
    }
    return i + 1
  }

  #valueOf(flag: Flag, words: readonly string[], start: number): number {
    let i = start
    if (words[i] === '--' && !this.#onlyWords) {
      this.#onlyWords = true
      i++
    }
    const word = words[i]
    if (word === undefined || (!this.#onlyWords && word.startsWith('-') && word !== '-'))
      throw new UsageError(`expected argument for flag '--${flag.name}'`)
    this.#uses.push({ flag, text: word === '-' && !this.#onlyWords ? '' : word, negated: false })
    return i + 1
  }
}

/** Whether the flag stands on the line at all. */
export const isUsed = (line: ParsedLine, name: string): boolean => line.uses.some((u) => u.flag.name === name)

/** Whether a boolean flag was given and not negated last. */
export function isGiven(line: ParsedLine, name: string): boolean {
  const use = line.uses.findLast((u) => u.flag.name === name)
  return use !== undefined && !use.negated
}

/** Values of all flags and arguments: from the line, the environment, the defaults, in this order (spec 06, 2.2 and 2.3).
 *  Throws UsageError for left-over words, repeated flags, bad values and missing required items. */
export function bindValues(
  line: ParsedLine,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, Value | readonly Value[] | undefined> {
  if (line.path.length === 0) throw new UsageError('command not specified')
  if (!isLeaf(line.at) || !line.command) throw new UsageError(`must select a subcommand of '${line.path.join(' ')}'`)
  const words = distribute(line.command.args, line.words)
  const values: Record<string, Value | readonly Value[] | undefined> = {}
  const missing: string[] = []
  for (const flag of line.flags) {
    if (flag.name in values) continue
    const value = flagValue(flag, line, env)
    values[flag.name] = value
    if (flag.required && (value === undefined || (Array.isArray(value) && value.length === 0))) missing.push(`'--${flag.name}'`)
  }
  if (missing.length > 0) throw new UsageError(`required flag(s) ${missing.join(', ')} not provided`)
  line.command.args.forEach((argument, i) => {
    const texts = words[i] as readonly string[]
    if (texts.length === 0 && argument.required) throw new UsageError(`required argument '${argument.name}' not provided`)
    values[argument.name] = valueOfTexts(argument, texts, env)
  })
  return values
}

function flagValue(flag: Flag, line: ParsedLine, env: Readonly<Record<string, string | undefined>>): Value | readonly Value[] | undefined {
  const uses = line.uses.filter((u) => u.flag === flag)
  if (flag.onlyIf !== undefined && uses.length > 0 && !env[flag.onlyIf]) throw new UsageError(`unknown long flag '--${flag.name}'`)
  if (flag.type === 'bool') {
    if (uses.length > 1) throw new UsageError(`flag '${flag.name}' cannot be repeated`)
    if (uses[0]) return !uses[0].negated
    const text = fromEnvironment(flag, env)
    return text === undefined ? flag.default === 'true' : parseValue(flag, text)
  }
  if (uses.length > 1 && !flag.repeated && flag.type !== 'bool-with-value') throw new UsageError(`flag '${flag.name}' cannot be repeated`)
  return valueOfTexts(
    flag,
    uses.map((u) => u.text as string),
    env,
  )
}

function valueOfTexts(
  item: Positional,
  given: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Value | readonly Value[] | undefined {
  let texts = given
  if (texts.length === 0) {
    const text = fromEnvironment(item, env)
    if (text !== undefined) texts = item.repeated ? text.split('\n').filter((t) => t !== '') : [text]
    else if (item.default !== undefined) texts = [item.default]
  }
  const values = texts.map((text) => parseValue(item, text))
  return item.repeated ? values : values.at(-1)
}

function fromEnvironment(item: Positional, env: Readonly<Record<string, string | undefined>>): string | undefined {
  const text = item.env === undefined ? undefined : env[item.env]
  return text === '' ? undefined : text
}

/** Gives each argument its words: one each, the repeated last one takes the rest. */
function distribute(args: readonly Positional[], words: readonly string[]): (readonly string[])[] {
  let next = 0
  const result = args.map((argument) => {
    const taken = argument.repeated ? words.slice(next) : words.slice(next, next + 1)
    next += taken.length
    return taken
  })
  if (next < words.length) throw new UsageError(`unexpected ${words[next]}`)
  return result
}
