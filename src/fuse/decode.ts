import { requestHeaderBytes } from './abi.ts'
import { errno, FuseError } from './errno.ts'
import type { ByteName, Caller } from './operations.ts'

/** One request of the kernel over the bytes it came in. Offsets given to its methods count from the start of the body. Lengths are
 *  checked: a request that is too short for its opcode throws FuseError(EINVAL). Source: spec 08, 3.1. */
export class Request implements Caller {
  readonly opcode: number
  readonly node: number
  private abort: AbortController | undefined
  private interrupted = false

  /** `start` is where the header begins in `bytes`, `end` (exclusive) where the request ends. */
  constructor(
    private readonly bytes: Buffer,
    private readonly start: number,
    private readonly end: number,
  ) {
    this.opcode = bytes.readUInt32LE(start + 4)
    this.node = readU64(bytes, start + 16)
  }

  /** Whether its bytes are those of that buffer. */
  isIn(bytes: Buffer): boolean {
    return this.bytes === bytes
  }

  get uniqueLow(): number {
    return this.bytes.readUInt32LE(this.start + 8)
  }
  get uniqueHigh(): number {
    return this.bytes.readUInt32LE(this.start + 12)
  }
  /** Key of the request in tables; not exact above 2^53, which the kernel's counter never reaches. */
  get key(): number {
    return this.uniqueHigh * 0x1_0000_0000 + this.uniqueLow
  }
  get uid(): number {
    return this.bytes.readUInt32LE(this.start + 24)
  }
  get gid(): number {
    return this.bytes.readUInt32LE(this.start + 28)
  }
  get pid(): number {
    return this.bytes.readUInt32LE(this.start + 32)
  }
  get bodyBytes(): number {
    return this.end - this.start - requestHeaderBytes
  }

  get signal(): AbortSignal {
    if (this.abort === undefined) {
      this.abort = new AbortController()
      if (this.interrupted) this.abort.abort()
    }
    return this.abort.signal
  }

  interrupt(): void {
    this.interrupted = true
    this.abort?.abort()
  }

  u32(offset: number): number {
    return this.bytes.readUInt32LE(this.at(offset, 4))
  }
  u16(offset: number): number {
    return this.bytes.readUInt16LE(this.at(offset, 2))
  }
  /** FuseError(EFBIG) above 2^53. */
  u64(offset: number): number {
    return readU64(this.bytes, this.at(offset, 8))
  }
  /** Seconds: signed on the wire. */
  i64(offset: number): number {
    const at = this.at(offset, 8)
    return this.bytes.readInt32LE(at + 4) * 0x1_0000_0000 + this.bytes.readUInt32LE(at)
  }

  /** The NUL-terminated name at `offset`. */
  name(offset: number): ByteName {
    return this.bytes.toString('latin1', this.at(offset, 0), this.nul(offset))
  }
  /** Offset behind the NUL of the name at `offset`. */
  afterName(offset: number): number {
    return this.nul(offset) + 1 - this.start - requestHeaderBytes
  }
  /** The bytes of the NUL-terminated text at `offset`. */
  text(offset: number): Buffer {
    return this.bytes.subarray(this.at(offset, 0), this.nul(offset))
  }
  data(offset: number, length: number): Buffer {
    const at = this.at(offset, length)
    return this.bytes.subarray(at, at + length)
  }

  private nul(offset: number): number {
    const at = this.bytes.indexOf(0, this.at(offset, 0))
    if (at < 0 || at >= this.end) throw new FuseError(errno.EINVAL, 'a name of the request does not end')
    return at
  }

  private at(offset: number, length: number): number {
    const at = this.start + requestHeaderBytes + offset
    if (offset < 0 || length < 0 || at + length > this.end) throw new FuseError(errno.EINVAL, 'the request is too short')
    return at
  }
}

/** Little-endian u64 as a number. FuseError(EFBIG) above 2^53: only sizes and offsets get there (spec 08, 4.3). */
export function readU64(bytes: Buffer, at: number): number {
  const high = bytes.readUInt32LE(at + 4)
  if (high > 0x1f_ffff) throw new FuseError(errno.EFBIG, 'a number of the request is too large')
  return high * 0x1_0000_0000 + bytes.readUInt32LE(at)
}
