import { damaged } from './compressor.ts'

/** What the frame and block headers of a Zstandard stream promise (RFC 8878, 3.1). */
export interface ZstdLayout {
  /** Data frames as [start, end) byte positions; skippable frames are left out. */
  readonly frames: readonly (readonly [start: number, end: number])[]
  /** No decoder can produce more than this. */
  readonly maxPlainBytes: number
  readonly largestWindowBytes: number
}

const largestBlockBytes = 128 << 10
const largestWindowBytes = 512 * 1024 * 1024

/** Walks frames and blocks without expanding anything. Throws DecompressionError when the structure does not hold, when a frame
 *  needs a dictionary, or a window above 512 MiB (spec 03, 3.2). */
export function zstdLayout(data: Uint8Array): ZstdLayout {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const frames: [number, number][] = []
  let maxPlainBytes = 0
  let window = 0
  for (let at = 0; at < data.length; ) {
    if (at + 4 > data.length) throw damaged('zstd', 'it ends inside a frame')
    const magic = view.getUint32(at, true)
    if ((magic & 0xfffffff0) === 0x184d2a50) {
      if (at + 8 > data.length) throw damaged('zstd', 'it ends inside a skippable frame')
      at += 8 + view.getUint32(at + 4, true)
      if (at > data.length) throw damaged('zstd', 'it ends inside a skippable frame')
      continue
    }
    if (magic !== 0xfd2fb528) throw damaged('zstd', `no frame starts at byte ${at}`)
    const frame = walkFrame(data, view, at)
    frames.push([at, frame.end])
    maxPlainBytes += frame.maxPlainBytes
    window = Math.max(window, frame.windowBytes)
    at = frame.end
  }
  return { frames, maxPlainBytes, largestWindowBytes: window }
}

function walkFrame(data: Uint8Array, view: DataView, start: number): { end: number; maxPlainBytes: number; windowBytes: number } {
  const header = frameHeader(data, view, start)
  let at = header.end
  let plain = 0
  const blockLimit = Math.min(largestBlockBytes, Math.max(header.windowBytes, 1))
  for (let last = false; !last; ) {
    if (at + 3 > data.length) throw damaged('zstd', 'it ends inside a frame')
    const block = (data[at] as number) | ((data[at + 1] as number) << 8) | ((data[at + 2] as number) << 16)
    const size = block >>> 3
    const type = (block >> 1) & 3
    last = (block & 1) === 1
    if (type === 3) throw damaged('zstd', 'a block has the reserved type')
    at += 3 + (type === 1 ? 1 : size)
    plain += type === 2 ? blockLimit : size
    if (at > data.length) throw damaged('zstd', 'it ends inside a block')
  }
  if (header.checksum) at += 4
  if (at > data.length) throw damaged('zstd', 'it ends inside the checksum')
  return { end: at, maxPlainBytes: Math.min(plain, header.contentBytes ?? plain), windowBytes: header.windowBytes }
}

interface FrameHeader {
  readonly end: number
  readonly windowBytes: number
  readonly contentBytes: number | undefined
  readonly checksum: boolean
}

/** RFC 8878, 3.1.1.1. */
function frameHeader(data: Uint8Array, view: DataView, start: number): FrameHeader {
  const descriptor = data[start + 4]
  if (descriptor === undefined) throw damaged('zstd', 'it ends inside a frame header')
  const single = (descriptor & 0x20) !== 0
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] as number
  const sizeFlag = descriptor >> 6
  const sizeBytes = sizeFlag === 0 ? (single ? 1 : 0) : 1 << sizeFlag
  let at = start + 5
  const end = at + (single ? 0 : 1) + dictionaryBytes + sizeBytes
  if (end > data.length) throw damaged('zstd', 'it ends inside a frame header')
  let windowBytes = 0
  if (!single) {
    const w = data[at++] as number
    const base = 2 ** (10 + (w >> 3))
    windowBytes = base + (base / 8) * (w & 7)
  }
  for (let i = 0; i < dictionaryBytes; i++) if (data[at++] !== 0) throw damaged('zstd', 'it needs a dictionary')
  let contentBytes: number | undefined
  if (sizeBytes === 1) contentBytes = data[at] as number
  else if (sizeBytes === 2) contentBytes = view.getUint16(at, true) + 256
  else if (sizeBytes === 4) contentBytes = view.getUint32(at, true)
  else if (sizeBytes === 8) contentBytes = Number(view.getBigUint64(at, true))
  if (single) windowBytes = contentBytes as number
  else if (windowBytes > largestWindowBytes) throw damaged('zstd', `it needs a window of ${windowBytes} bytes`)
  return { end, windowBytes, contentBytes, checksum: (descriptor & 4) !== 0 }
}
