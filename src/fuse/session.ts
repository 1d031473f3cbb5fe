import {
  initFlag,
  initFlag2,
  initOutBytes,
  maxPages,
  maxWriteBytes,
  notification,
  protocolMajor,
  protocolMinor,
  replyHeaderBytes,
  requestHeaderBytes,
} from './abi.ts'
import { Request, readU64 } from './decode.ts'
import { Dispatcher, type SendReply } from './dispatch.ts'
import { writeU64 } from './encode.ts'
import { errno } from './errno.ts'
import { op } from './opcodes.ts'
import type { ByteName, FuseOperations } from './operations.ts'

export interface SessionOptions {
  readonly readOnly: boolean
  readonly writebackCache?: boolean | undefined
  readonly trace?: ((line: string) => void) | undefined
  readonly report?: ((operation: string, error: unknown) => void) | undefined
}

const wantedFlags =
  initFlag.asyncRead |
  initFlag.atomicTruncate |
  initFlag.bigWrites |
  initFlag.doReaddirPlus |
  initFlag.asyncDirect |
  initFlag.noOpenSupport |
  initFlag.parallelDirectoryOperations |
  initFlag.abortError |
  initFlag.maxPages |
  initFlag.cacheSymlinks |
  initFlag.explicitInvalidation |
  initFlag.killPrivileges2 |
  initFlag.setxattrExtended |
  initFlag.extended
const wantedFlags2 = initFlag2.directAllowMmap | initFlag2.noExportSupport
const maxBackground = 64
const congestionThreshold = 48
const maxReadAheadBytes = 16 << 20

/** One connection to the kernel, apart from the device: takes the bytes of requests, sends the bytes of replies (spec 08, 3.1 and 3.2). */
export class KernelSession {
  /** Minor protocol version both sides use; 0 before INIT. */
  minor = 0
  private flags = 0
  private readonly dispatcher: Dispatcher
  private readonly forget: (node: number, count: number) => void

  constructor(
    operations: FuseOperations,
    private readonly send: SendReply,
    private readonly options: SessionOptions,
  ) {
    this.forget = (node, count) => operations.forget?.(node, count)
    this.dispatcher = new Dispatcher(operations, send, {
      readOnly: options.readOnly,
      mayLeaveOutOpen: () => (this.flags & initFlag.noOpenSupport) !== 0,
      extendedSetxattr: () => (this.flags & initFlag.setxattrExtended) !== 0,
      report: options.report,
    })
  }

  /** Requests whose operation has not answered yet. */
  get waitingCount(): number {
    return this.dispatcher.waitingCount
  }

  /** Whole requests, one after another, each padded to 8 bytes, up to the end or a length of 0. Malformed tails are dropped: they cannot
   *  be answered. True when the session keeps no view of `bytes`, so that they may be used for other requests. */
  receive(bytes: Buffer): boolean {
    let at = 0
    while (at + requestHeaderBytes <= bytes.length) {
      const length = bytes.readUInt32LE(at)
      if (length < requestHeaderBytes || at + length > bytes.length) break
      this.handle(bytes, at, at + length)
      at += (length + 7) & ~7
    }
    return !this.dispatcher.keeps(bytes)
  }

  private handle(bytes: Buffer, start: number, end: number): void {
    const code = bytes.readUInt32LE(start + 4)
    if (code === op.forget || code === op.batchForget) {
      try {
        if (code === op.forget) this.forgetOne(bytes, start, end)
        else this.forgetMany(bytes, start, end)
      } catch (error) {
        this.options.report?.('FORGET', error) // there is no reply that could say so
      }
    } else {
      const request = requestAt(bytes, start, end)
      if (request === undefined) this.refuse(bytes, start)
      else this.handleRequest(code, request)
    }
  }

  private handleRequest(code: number, request: Request): void {
    if (this.options.trace !== undefined) this.options.trace(this.line(request))
    if (code === op.init) this.init(request)
    else if (code === op.interrupt) this.interrupt(request)
    else if (code === op.destroy) this.reply(request, 0)
    else if (this.minor === 0) this.dispatcher.fail(request, errno.EPROTO)
    else this.dispatcher.dispatch(request)
  }

  private line(request: Request): string {
    return `${this.dispatcher.nameOf(request.opcode)} node=${request.node} uid=${request.uid} pid=${request.pid} bytes=${request.bodyBytes}`
  }

  private forgetOne(bytes: Buffer, start: number, end: number): void {
    if (end - start >= requestHeaderBytes + 8) this.forget(readU64(bytes, start + 16), readU64(bytes, start + requestHeaderBytes))
  }

  private forgetMany(bytes: Buffer, start: number, end: number): void {
    if (end - start < requestHeaderBytes + 8) return
    const first = start + requestHeaderBytes + 8
    const count = Math.min(bytes.readUInt32LE(first - 8), Math.floor((end - first) / 16))
    for (let i = 0; i < count; i++) this.forget(readU64(bytes, first + i * 16), readU64(bytes, first + i * 16 + 8))
  }

  private interrupt(request: Request): void {
    if (request.bodyBytes >= 8) this.dispatcher.interrupt(request.u32(4) * 0x1_0000_0000 + request.u32(0))
  }

  /** A request whose node ID no one handed out: answered by its bytes, since it cannot be decoded. */
  private refuse(bytes: Buffer, start: number): void {
    const header = Buffer.alloc(replyHeaderBytes)
    header.writeUInt32LE(replyHeaderBytes, 0)
    header.writeInt32LE(-errno.ESTALE, 4)
    bytes.copy(header, 8, start + 8, start + 16)
    this.send(header, undefined)
  }

  private reply(request: Request, error: number, body?: Buffer): void {
    const header = Buffer.alloc(replyHeaderBytes)
    header.writeUInt32LE(replyHeaderBytes + (body?.length ?? 0), 0)
    header.writeInt32LE(-error, 4)
    header.writeUInt32LE(request.uniqueLow, 8)
    header.writeUInt32LE(request.uniqueHigh, 12)
    this.send(header, body)
  }

  /** INIT (spec 08, 3.2): major 0, minor 4, max_readahead 8, flags 12, flags2 16. */
  private init(request: Request): void {
    const major = request.bodyBytes < 16 ? 0 : request.u32(0)
    if (major < protocolMajor) {
      this.reply(request, errno.EPROTO)
      return
    }
    const body = Buffer.alloc(initOutBytes)
    body.writeUInt32LE(protocolMajor, 0)
    body.writeUInt32LE(protocolMinor, 4)
    if (major > protocolMajor) {
      this.reply(request, 0, body) // the kernel asks again with our major
      return
    }
    const offered = request.u32(12)
    this.minor = Math.min(request.u32(4), protocolMinor)
    this.flags = offered & (wantedFlags | (this.options.writebackCache === true ? initFlag.writebackCache : 0))
    body.writeUInt32LE(Math.min(request.u32(8), maxReadAheadBytes), 8)
    body.writeUInt32LE(this.flags >>> 0, 12)
    body.writeUInt16LE(maxBackground, 16)
    body.writeUInt16LE(congestionThreshold, 18)
    body.writeUInt32LE(maxWriteBytes, 20)
    body.writeUInt32LE(1, 24)
    if (this.flags & initFlag.maxPages) body.writeUInt16LE(maxPages, 28)
    if (this.flags & initFlag.extended && request.bodyBytes >= 20) body.writeUInt32LE(request.u32(16) & wantedFlags2, 32)
    this.reply(request, 0, this.minor < 23 ? body.subarray(0, 24) : body)
  }
}

/** Undefined for a request whose node ID no one can have handed out. */
function requestAt(bytes: Buffer, start: number, end: number): Request | undefined {
  try {
    return new Request(bytes, start, end)
  } catch {
    return undefined
  }
}

/** Bytes of "this name is to be looked up again" (spec 08, 3.9). */
export function invalidateEntryBytes(parent: number, name: ByteName): Buffer {
  const bytes = Buffer.alloc(replyHeaderBytes + 16 + name.length + 1)
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeInt32LE(notification.invalidateEntry, 4)
  writeU64(bytes, replyHeaderBytes, parent)
  bytes.writeUInt32LE(name.length, replyHeaderBytes + 8)
  bytes.write(name, replyHeaderBytes + 16, 'latin1')
  return bytes
}

/** Bytes of "attributes and all pages of this node are to be dropped". */
export function invalidateNodeBytes(node: number): Buffer {
  const bytes = Buffer.alloc(replyHeaderBytes + 24)
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeInt32LE(notification.invalidateNode, 4)
  writeU64(bytes, replyHeaderBytes, node)
  return bytes
}
