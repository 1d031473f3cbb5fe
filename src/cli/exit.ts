import { KuraError, messageOf } from '#base/errors.ts'

/** Ends the command with status 1 after everything has been said already. */
export class SilentFailure extends KuraError {
  readonly code = 'SILENT'
  constructor() {
    super('the command failed; the reason was printed before')
  }
}

/** A failed command: its own message, printed as it is. `status` is its exit status where a script is told more than "failed". */
export class CommandError extends KuraError {
  readonly code = 'COMMAND'
  readonly status: number

  constructor(message: string, options: ErrorOptions & { readonly status?: number } = {}) {
    super(message, options)
    this.status = options.status ?? exitStatus.failure
  }
}

/** 0 is success, help and version; everything else is 1 (spec 06, 2.5), but for what a command says itself. */
export const exitStatus = { success: 0, failure: 1 } as const

/** The one line on stderr for anything that a command threw; undefined when nothing is left to say. */
export function failureLine(error: unknown): string | undefined {
  if (error instanceof SilentFailure) return undefined
  const message = messageOf(error)
  if (error instanceof KuraError || isSystemError(error)) return message
  // A defect of ours, not of the input: say where, so that it can be reported.
  const place = error instanceof Error ? (error.stack?.split('\n')[1]?.trim() ?? '') : ''
  return `internal error: ${message}${place === '' ? '' : ` (${place})`}`
}

const isSystemError = (error: unknown): boolean => typeof (error as NodeJS.ErrnoException | undefined)?.code === 'string'

/** The line for an error on the command line itself (spec 06, 2.3). */
export const usageLine = (message: string): string => `kura: error: ${message.replace(/\.$/, '')}, try --help`
