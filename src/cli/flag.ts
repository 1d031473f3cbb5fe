import type { CommandContext } from './context.ts'

/** Types of flag and argument values (spec 06, 2.2). */
export type ValueType =
  | 'bool'
  | 'bool-with-value'
  | 'string'
  | 'int'
  | 'int32'
  | 'int64'
  | 'uint'
  | 'float'
  | 'duration'
  | 'bytes'
  | 'enum'
  | 'existingFile'
  | 'existingDir'
  | 'existingFileOrDir'

/** A positional argument, or what a flag shares with it. */
export interface Positional {
  readonly name: string
  readonly type: ValueType
  readonly values?: readonly string[]
  /** As it would be written on the command line. */
  readonly default?: string
  /** Taken when the command line does not give the flag; empty counts as unset. */
  readonly env?: string
  readonly repeated?: boolean
  readonly required?: boolean
}

export interface Flag extends Positional {
  readonly short?: string
  readonly hidden?: boolean
  /** Unknown unless this environment variable is set: for test suites. */
  readonly onlyIf?: string
  readonly placeholder?: string
  /** What it does, where the same name means something else elsewhere (flag-help.ts). */
  readonly describe?: string
}

/** A parsed value. Durations are nanoseconds, bytes and numbers plain numbers. */
export type Value = string | number | boolean | bigint

type Scalar<T extends ValueType> = T extends 'bool' | 'bool-with-value'
  ? boolean
  : T extends 'duration'
    ? bigint
    : T extends 'int' | 'int32' | 'int64' | 'uint' | 'float' | 'bytes'
      ? number
      : string

type ValueOf<F extends Positional> = F extends { readonly repeated: true }
  ? readonly Scalar<F['type']>[]
  : F['type'] extends 'bool'
    ? boolean
    : F extends { readonly default: string } | { readonly required: true }
      ? Scalar<F['type']>
      : Scalar<F['type']> | undefined

/** What a handler gets: flags and arguments by their names. */
export type ValuesOf<P extends Positional> = { readonly [F in P as F['name']]: ValueOf<F> }

export interface Command {
  readonly args: readonly Positional[]
  readonly flags: readonly Flag[]
  run(context: CommandContext, values: Readonly<Record<string, unknown>>): Promise<void>
}

/** Ties the handler's value types to the tables of flags and arguments. */
export function defineCommand<const A extends readonly Positional[], const F extends readonly Flag[]>(definition: {
  readonly args?: A
  readonly flags?: F
  readonly run: (context: CommandContext, values: ValuesOf<F[number]> & ValuesOf<A[number]>) => Promise<void>
}): Command {
  const run = definition.run as Command['run']
  return { args: definition.args ?? [], flags: definition.flags ?? [], run }
}

/** `--json` and its two hidden companions. */
export const jsonFlags = [
  { name: 'json', type: 'bool' },
  { name: 'json-indent', type: 'bool', hidden: true },
  { name: 'json-verbose', type: 'bool', hidden: true },
] as const satisfies readonly Flag[]

/** Which contents a command looks at (spec 06, 14.2). */
export const contentRangeFlags = [
  { name: 'prefix', type: 'string' },
  { name: 'prefixed', type: 'bool' },
  { name: 'non-prefixed', type: 'bool' },
] as const satisfies readonly Flag[]
