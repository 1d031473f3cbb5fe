import { messageOf, systemCode } from '#base/errors.ts'
import { nativeAddon } from '#base/native.ts'
import { damaged, tooLong } from './compressor.ts'
import { crc32c } from './crc32c.ts'
import { blockLength, expandBlock } from './s2-block.ts'
import { encodeBlock, maxBlockBytes } from './s2-encode.ts'

const s2Identifier = Buffer.from('ff060000' + '53327354774f', 'hex')
const snappyBody = Buffer.from('sNaPpY')
const blockBytes = 1 << 20

const masked = (c: number): number => ((((c >>> 15) | (c << 17)) >>> 0) + 0xa282ead8) >>> 0

/** S2 stream of `data` in blocks of 1 MiB; a block that does not shrink is stored. Nothing for nothing. Source: spec 03, 3.3. */
export async function s2Compress(data: Uint8Array): Promise<Buffer> {
  return nativeAddon()?.s2Compress(data) ?? s2CompressTwin(data)
}

/** The same without the addon. */
export function s2CompressTwin(data: Uint8Array): Buffer {
  if (data.length === 0) return Buffer.alloc(0)
  const blocks = Math.ceil(data.length / blockBytes)
  const out = Buffer.allocUnsafe(s2Identifier.length + blocks * 8 + data.length + maxBlockBytes(Math.min(blockBytes, data.length)))
  let o = s2Identifier.copy(out)
  for (let start = 0; start < data.length; start += blockBytes) {
    const end = Math.min(start + blockBytes, data.length)
    let stop = encodeBlock(data, start, end, out, o + 8)
    const stored = stop - (o + 8) >= end - start
    if (stored) {
      out.set(data.subarray(start, end), o + 8)
      stop = o + 8 + end - start
    }
    out[o] = stored ? 1 : 0
    out.writeUIntLE(stop - o - 4, o + 1, 3)
    out.writeUInt32LE(masked(crc32c(data.subarray(start, end))), o + 4)
    o = stop
  }
  return o * 4 >= out.length * 3 ? out.subarray(0, o) : Buffer.from(out.subarray(0, o))
}

/** One chunk of a stream, found by scan(). */
interface Chunk {
  readonly compressed: boolean
  /** Where the tags (or the stored bytes) start and end. */
  readonly start: number
  readonly end: number
  readonly crc: number
  readonly plainBytes: number
}

/** Plain bytes of an S2 or framed Snappy stream. Lengths are summed up before anything is allocated. DecompressionError. */
export async function s2Expand(data: Uint8Array, maxBytes: number): Promise<Buffer> {
  const native = nativeAddon()
  if (!native) return s2ExpandTwin(data, maxBytes)
  try {
    return await native.s2Expand(data, maxBytes)
  } catch (error) {
    throw systemCode(error) === 'TOO_LONG' ? tooLong('s2', maxBytes) : damaged('s2', messageOf(error), error)
  }
}

/** The same without the addon. */
export function s2ExpandTwin(data: Uint8Array, maxBytes: number): Buffer {
  const chunks = scan(data)
  const total = chunks.reduce((sum, c) => sum + c.plainBytes, 0)
  if (total > maxBytes) throw tooLong('s2', maxBytes)
  const out = Buffer.allocUnsafe(total)
  let o = 0
  for (const chunk of chunks) {
    const stop = o + chunk.plainBytes
    if (chunk.compressed) expandBlock(data, chunk.start, chunk.end, out, o, stop)
    else out.set(data.subarray(chunk.start, chunk.end), o)
    if (masked(crc32c(out.subarray(o, stop))) !== chunk.crc) throw damaged('s2', 'a checksum does not match')
    o = stop
  }
  return out
}

function scan(data: Uint8Array): Chunk[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const chunks: Chunk[] = []
  let limit = 0
  for (let at = 0; at < data.length; ) {
    if (at + 4 > data.length) throw damaged('s2', 'it ends inside a chunk header')
    const type = data[at] as number
    const start = at + 4
    const end = start + ((view.getUint32(at, true) >>> 8) & 0xffffff)
    if (end > data.length) throw damaged('s2', 'it ends inside a chunk')
    if (type === 0xff) limit = identified(data.subarray(start, end))
    else if (limit === 0) throw damaged('s2', 'it does not start with a stream identifier')
    else if (type <= 1) chunks.push(dataChunk(data, view, start, end, type === 0, limit))
    else if (type < 0x80) throw damaged('s2', `chunk type ${type} is reserved`)
    at = end
  }
  return chunks
}

/** Largest plain size of a chunk after this identifier. */
function identified(body: Uint8Array): number {
  if (s2Identifier.subarray(4).equals(body)) return 4 << 20
  if (snappyBody.equals(body)) return 65536
  throw damaged('s2', 'the stream identifier is unknown')
}

function dataChunk(data: Uint8Array, view: DataView, at: number, end: number, compressed: boolean, limit: number): Chunk {
  if (end - at < 4) throw damaged('s2', 'a chunk is too short')
  const crc = view.getUint32(at, true)
  const block = compressed ? blockLength(data, at + 4, end) : { length: end - at - 4, next: at + 4 }
  if (block.length > limit) throw damaged('s2', 'a chunk is too large')
  return { compressed, start: block.next, end, crc, plainBytes: block.length }
}
