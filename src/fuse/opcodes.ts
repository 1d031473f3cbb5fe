import type { Request } from './decode.ts'
import type { FuseOperations, Reply } from './operations.ts'

/** Where a handler puts its reply body: bytes of a buffer that is reused after the reply was sent. */
export interface ReplyBody {
  /** A buffer with room for `bytes` more from `at` on. */
  room(bytes: number): Buffer
  readonly at: number
}

/** One operation of the protocol: how its request is handed to the file system and how the outcome becomes bytes. `O` is bound inside
 *  `opcode`, so that rows of different outcomes fit one table. */
export interface Opcode {
  readonly code: number
  readonly name: string
  /** Member of FuseOperations it needs; absent there: refused. */
  readonly needs: keyof FuseOperations
  /** Changes something: EROFS instead of ENOSYS when absent on a read-only mount. */
  readonly writes: boolean
  /** A signal to the caller may be answered at once with EINTR, whatever the operation still does. */
  readonly interruptible: boolean
  call(operations: FuseOperations, request: Request): Reply<unknown>
  /** Number of body bytes written, or the body itself when it exists already. */
  encode(outcome: unknown, body: ReplyBody, request: Request): number | Uint8Array
  /** What to take back when the kernel did not want the reply. */
  undo?(operations: FuseOperations, outcome: unknown, request: Request): void
}

interface Row<O> {
  readonly needs: keyof FuseOperations
  readonly writes?: boolean
  readonly interruptible?: boolean
  call(operations: FuseOperations, request: Request): Reply<O> | undefined
  encode(outcome: O, body: ReplyBody, request: Request): number | Uint8Array
  undo?(operations: FuseOperations, outcome: O, request: Request): void
}

export function opcode<O>(code: number, name: string, row: Row<O>): Opcode {
  return { writes: false, interruptible: false, ...row, code, name } as unknown as Opcode
}

/** Codes that the session handles itself. */
export const op = { forget: 2, init: 26, interrupt: 36, destroy: 38, batchForget: 42 } as const
