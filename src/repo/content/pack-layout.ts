import { crc32 } from 'node:zlib'

/** Random bytes in front of the first content (spec 02, 2.4). */
export const preambleBytes = 32
/** The recovery index starts at a multiple of this. */
export const packAlignmentBytes = 4096

/** Where the recovery index of a pack lies (spec 02, 2.5). */
export interface Postamble {
  /** Full hash of the recovery index: its cipher identity. */
  readonly iv: Buffer
  /** Absolute offset in the pack. */
  readonly offset: number
  /** Sealed length. */
  readonly length: number
}

/** How much random padding follows the contents of a pack that is `lengthBytes` long so far: 1 to 4096. Source: spec 02, 2.4. */
export const paddingBytes = (lengthBytes: number): number => packAlignmentBytes - (lengthBytes % packAlignmentBytes)

/** Source: spec 02, 2.5. */
export function encodePostamble({ iv, offset, length }: Postamble): Buffer {
  const payload = Buffer.concat([uvarint(1), uvarint(iv.length), iv, uvarint(offset), uvarint(length)])
  const crc = Buffer.alloc(4)
  crc.writeUInt32BE(crc32Of(payload))
  return Buffer.concat([payload, crc, Buffer.from([payload.length + 4])])
}

/** Reads the postamble at the end of `tail`, the last bytes of a pack; undefined when there is none. It is not authenticated: only
 *  opening the recovery index proves it. Source: spec 02, 2.5. */
export function parsePostamble(tail: Uint8Array): Postamble | undefined {
  const n = tail[tail.length - 1] ?? 0
  if (n < 5 || n + 1 > tail.length) return undefined
  const block = Buffer.from(tail.buffer, tail.byteOffset + tail.length - 1 - n, n)
  const payload = block.subarray(0, n - 4)
  if (crc32Of(payload) !== block.readUInt32BE(n - 4)) return undefined
  const reader = new VarintReader(payload)
  if (reader.next() !== 1) return undefined
  const iv = reader.bytes(reader.next())
  const offset = reader.next()
  const length = reader.next()
  if (iv === undefined || offset === undefined || length === undefined) return undefined
  return { iv: Buffer.from(iv), offset, length }
}

function uvarint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
  return Buffer.from(bytes)
}

/** LEB128 reader; every read past the end gives undefined. */
class VarintReader {
  #at = 0
  constructor(private readonly data: Uint8Array) {}

  next(): number | undefined {
    let value = 0
    for (let factor = 1; factor <= Number.MAX_SAFE_INTEGER; factor *= 0x80) {
      const byte = this.data[this.#at++]
      if (byte === undefined) return undefined
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return Number.isSafeInteger(value) ? value : undefined
    }
    return undefined
  }

  bytes(length: number | undefined): Uint8Array | undefined {
    if (length === undefined || length > this.data.length - this.#at) return undefined
    this.#at += length
    return this.data.subarray(this.#at - length, this.#at)
  }
}

// zlib.crc32 came with Node 20.15 and its types later.
const crc32Of = (data: Uint8Array): number => crc32(data) >>> 0
