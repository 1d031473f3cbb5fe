import type { Policy } from '#snapshot/policy/policy.ts'

type Section = Record<string, unknown>

/** A policy being changed: counts the changes and says each in one line. */
export class PolicyChanges {
  readonly #policy: Section
  #count = 0

  constructor(
    before: Policy,
    readonly say: (line: string) => void,
  ) {
    this.#policy = structuredClone(before) as unknown as Section
  }

  get policy(): Policy {
    return this.#policy as unknown as Policy
  }
  get count(): number {
    return this.#count
  }

  get(path: readonly string[]): unknown {
    return this.#section(path)[path.at(-1) as string]
  }

  set(path: readonly string[], value: unknown, line: string): void {
    this.#section(path)[path.at(-1) as string] = value
    this.#note(line)
  }

  remove(path: readonly string[], line: string): void {
    this.setQuietly(path, undefined)
    this.#note(line)
  }

  /** A change that follows from another one, or that nobody need be told of. */
  setQuietly(path: readonly string[], value: unknown): void {
    const section = this.#section(path)
    if (value === undefined) delete section[path.at(-1) as string]
    else section[path.at(-1) as string] = value
  }

  #section(path: readonly string[]): Section {
    return path.slice(0, -1).reduce((at, key) => at[key] as Section, this.#policy)
  }

  #note(line: string): void {
    this.#count++
    this.say(line)
  }
}

/** Words that remove a value, so that the one of the parent holds. */
export const isInherit = (text: string): boolean => text === 'inherit' || text === 'default'
