/** Messages quote names and IDs from outside, which may be of any length. */
const maxMessageLength = 16_384

/** Root of every error that Kura throws on purpose. `code` is stable and is what exit-status and HTTP tables key on;
 *  `message` has three parts: what failed, on what, what to do. */
export abstract class KuraError extends Error {
  abstract readonly code: string
  /** True when the same call may succeed later without anything being changed. */
  readonly retry: boolean = false

  constructor(message: string, options?: ErrorOptions) {
    super(message.length > maxMessageLength ? `${message.slice(0, maxMessageLength)}…` : message, options)
    this.name = new.target.name
  }
}

/** Bad input from the person at the keyboard: a flag, a name, a path. */
export class UsageError extends KuraError {
  readonly code = 'USAGE'
}

/** Work was stopped on request (signal, abort). */
export class CancelledError extends KuraError {
  readonly code = 'CANCELLED'
}

/** The message of anything that was thrown, for one-line output. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The system error code (`ENOENT` …) of anything that was thrown, or undefined. */
export function systemCode(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  return typeof code === 'string' ? code : undefined
}
