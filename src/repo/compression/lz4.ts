import { damaged, tooLong } from './compressor.ts'
import { copyWithin } from './s2-block.ts'
import { xxh32 } from './xxh32.ts'

const corrupt = (detail: string) => damaged('lz4', detail)

/** Output that grows up to a bound. */
class Output {
  bytes = Buffer.alloc(0)
  length = 0

  constructor(readonly maxBytes: number) {}

  room(more: number): void {
    const needed = this.length + more
    if (needed > this.maxBytes) throw tooLong('lz4', this.maxBytes)
    if (needed <= this.bytes.length) return
    const grown = Buffer.allocUnsafe(Math.min(this.maxBytes, Math.max(needed, this.bytes.length * 2, 65536)))
    this.bytes.copy(grown, 0, 0, this.length)
    this.bytes = grown
  }
}

/** Plain bytes of LZ4 frames, as releases of Kopia up to 0.22.3 wrote them; every checksum present is verified. DecompressionError.
 *  Source: the LZ4 frame format description; spec 03, 3.1. */
export async function lz4Expand(data: Uint8Array, maxBytes: number): Promise<Buffer> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const out = new Output(maxBytes)
  for (let at = 0; at < data.length; ) {
    need(data, at, 7)
    const magic = view.getUint32(at, true)
    if ((magic & 0xfffffff0) === 0x184d2a50) {
      need(data, at, 8)
      const size = view.getUint32(at + 4, true)
      need(data, at + 8, size)
      at += 8 + size
    } else if (magic === 0x184d2204) at = frame(data, view, at + 4, out)
    else throw corrupt('no frame starts where one should')
  }
  return out.bytes.subarray(0, out.length)
}

function need(data: Uint8Array, at: number, count: number): void {
  if (at + count > data.length) throw corrupt('it is cut short')
}

/** Expands the frame whose descriptor is at `start`; returns where it ends. */
function frame(data: Uint8Array, view: DataView, start: number, out: Output): number {
  const flags = data[start] as number
  if (flags >> 6 !== 1) throw corrupt('the version of the frame is unknown')
  if (flags & 1) throw corrupt('it needs a dictionary')
  const linked = (flags & 0x20) === 0
  const sized = (flags & 8) !== 0
  const maxBlock = 1 << (8 + 2 * (((data[start + 1] as number) >> 4) & 7))
  let at = start + 2 + (sized ? 8 : 0)
  need(data, at, 1)
  if (((xxh32(data, start, at) >>> 8) & 0xff) !== data[at]) throw corrupt('the checksum of a frame header does not match')
  const promised = sized ? Number(view.getBigUint64(start + 2, true)) : undefined
  at++
  const from = out.length
  for (;;) {
    need(data, at, 4)
    const word = view.getUint32(at, true)
    at += 4
    if (word === 0) break
    const size = word & 0x7fffffff
    need(data, at, size + (flags & 0x10 ? 4 : 0))
    if (size > maxBlock) throw corrupt('a block is too large')
    if (flags & 0x10 && xxh32(data, at, at + size) !== view.getUint32(at + size, true)) throw corrupt('a block checksum does not match')
    if (word >= 0x80000000) {
      out.room(size)
      out.bytes.set(data.subarray(at, at + size), out.length)
      out.length += size
    } else block(data, at, at + size, out, linked ? from : out.length, maxBlock)
    at += size + (flags & 0x10 ? 4 : 0)
  }
  if (promised !== undefined && promised !== out.length - from) throw corrupt('the length of a frame does not match')
  if ((flags & 4) === 0) return at
  need(data, at, 4)
  if (xxh32(out.bytes, from, out.length) !== view.getUint32(at, true)) throw corrupt('the checksum of a frame does not match')
  return at + 4
}

/** One compressed block; copies may reach back to `history`. */
function block(data: Uint8Array, start: number, end: number, out: Output, history: number, maxBlock: number): void {
  const stop = out.length + maxBlock
  let i = start
  const longer = (length: number): number => {
    let sum = length
    if (length !== 15) return sum
    for (;;) {
      if (i >= end) throw corrupt('a block is cut short')
      const b = data[i++] as number
      sum += b
      if (b !== 255) return sum
    }
  }
  while (i < end) {
    const token = data[i++] as number
    const literal = longer(token >> 4)
    if (i + literal > end || out.length + literal > stop) throw corrupt('a literal is too long')
    out.room(literal)
    out.bytes.set(data.subarray(i, i + literal), out.length)
    out.length += literal
    i += literal
    if (i === end) return
    if (i + 2 > end) throw corrupt('a block is cut short')
    const offset = (data[i] as number) | ((data[i + 1] as number) << 8)
    i += 2
    const length = longer(token & 15) + 4
    if (offset === 0 || offset > out.length - history) throw corrupt('a copy reaches before the start')
    if (out.length + length > stop) throw corrupt('a block is too large')
    out.room(length)
    copyWithin(out.bytes, out.length, offset, length)
    out.length += length
  }
}
