import { replyHeaderBytes } from './abi.ts'
import type { Request } from './decode.ts'
import { errno, errnoOf, FuseError } from './errno.ts'
import type { Opcode, ReplyBody } from './opcodes.ts'
import type { FuseOperations, Opened } from './operations.ts'
import { readOpcodes } from './read-opcodes.ts'
import { writeOpcodes } from './write-opcodes.ts'

/** Sends one reply: header, or header and body. False when the kernel did not want it any more (ENOENT). */
export type SendReply = (header: Buffer, body: Uint8Array | undefined) => boolean

export interface DispatchOptions {
  readonly readOnly: boolean
  /** The kernel takes ENOSYS to OPEN for "never ask again". */
  readonly mayLeaveOutOpen: () => boolean
  /** SETXATTR comes with the 16-byte header. */
  readonly extendedSetxattr: () => boolean
  readonly report?: ((operation: string, error: unknown) => void) | undefined
}

const scratchBytes = 1024

/** Hands requests to a file system and answers each exactly once: with its result, or with the error number of what it threw. */
export class Dispatcher implements ReplyBody {
  readonly at = replyHeaderBytes
  private readonly table: (Opcode | undefined)[] = []
  private readonly scratch = Buffer.allocUnsafe(scratchBytes)
  /** Requests whose operation is still waiting, by key. */
  private readonly waiting = new Map<number, { readonly request: Request; readonly opcode: Opcode; answered: boolean }>()

  constructor(
    private readonly operations: FuseOperations,
    private readonly send: SendReply,
    private readonly options: DispatchOptions,
  ) {
    for (const row of [...readOpcodes, ...writeOpcodes(options.extendedSetxattr)]) this.table[row.code] = row
  }

  nameOf(code: number): string {
    return this.table[code]?.name ?? `opcode ${code}`
  }

  get waitingCount(): number {
    return this.waiting.size
  }

  /** Whether a request that has no answer yet is in these bytes. */
  keeps(bytes: Buffer): boolean {
    for (const { request } of this.waiting.values()) if (request.isIn(bytes)) return true
    return false
  }

  /** Never throws. */
  dispatch(request: Request): void {
    const opcode = this.table[request.opcode]
    if (opcode?.needs === 'open' && this.operations.open === undefined && !this.options.mayLeaveOutOpen()) {
      this.succeed(request, opcode, { handle: 0, keepCache: true } satisfies Opened)
      return
    }
    if (opcode === undefined || this.operations[opcode.needs] === undefined) {
      this.fail(request, opcode?.writes && this.options.readOnly ? errno.EROFS : errno.ENOSYS)
      return
    }
    let outcome: unknown
    try {
      outcome = opcode.call(this.operations, request)
    } catch (error) {
      this.failWith(request, opcode, error)
      return
    }
    if (outcome instanceof Promise) this.wait(request, opcode, outcome)
    else this.succeed(request, opcode, outcome)
  }

  /** A signal reached the caller of a request. Unknown keys: the reply is out already. */
  interrupt(key: number): void {
    const entry = this.waiting.get(key)
    if (entry === undefined || entry.answered) return
    if (entry.opcode.interruptible) {
      entry.answered = true
      this.fail(entry.request, errno.EINTR)
    }
    entry.request.interrupt()
  }

  fail(request: Request, number: number): void {
    const header = this.scratch
    this.writeHeader(header, request, replyHeaderBytes, -number)
    this.send(header.subarray(0, replyHeaderBytes), undefined)
  }

  room(bytes: number): Buffer {
    if (bytes > scratchBytes - replyHeaderBytes) throw new RangeError('the reply does not fit its buffer')
    return this.scratch
  }

  private wait(request: Request, opcode: Opcode, outcome: Promise<unknown>): void {
    const entry = { request, opcode, answered: false }
    const key = request.key
    this.waiting.set(key, entry)
    outcome.then(
      (value) => {
        this.waiting.delete(key)
        if (entry.answered) opcode.undo?.(this.operations, value, request)
        else this.succeed(request, opcode, value)
      },
      (error: unknown) => {
        this.waiting.delete(key)
        if (!entry.answered) this.failWith(request, opcode, error)
      },
    )
  }

  private succeed(request: Request, opcode: Opcode, outcome: unknown): void {
    let body: number | Uint8Array
    try {
      body = opcode.encode(outcome, this, request)
    } catch (error) {
      opcode.undo?.(this.operations, outcome, request)
      this.failWith(request, opcode, error)
      return
    }
    const bodyBytes = typeof body === 'number' ? body : body.length
    this.writeHeader(this.scratch, request, replyHeaderBytes + bodyBytes, 0)
    const taken =
      typeof body === 'number'
        ? this.send(this.scratch.subarray(0, replyHeaderBytes + body), undefined)
        : this.send(this.scratch.subarray(0, replyHeaderBytes), body)
    if (!taken) opcode.undo?.(this.operations, outcome, request)
  }

  private failWith(request: Request, opcode: Opcode, error: unknown): void {
    const number = errnoOf(error)
    if (!(error instanceof FuseError)) this.options.report?.(opcode.name, error)
    this.fail(request, number)
  }

  private writeHeader(into: Buffer, request: Request, length: number, error: number): void {
    into.writeUInt32LE(length, 0)
    into.writeInt32LE(error, 4)
    into.writeUInt32LE(request.uniqueLow, 8)
    into.writeUInt32LE(request.uniqueHigh, 12)
  }
}
