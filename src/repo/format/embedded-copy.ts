import { createHmac } from 'node:crypto'
import { CorruptFormatError } from './errors.ts'

const macBytes = 32
const maxBytes = 65000

/** How much of either end of a blob recoverFormatBlob looks at. */
export const recoveryBytes = 65536

const macOf = (body: Uint8Array): Buffer => createHmac('sha256', 'kopia-repository').update(body).digest()

/** The wrapped copy of `kopia.repository` at the start of packs. Throws CorruptFormatError. Source: spec 01, 1.11. */
export function embedFormatBlob(body: Uint8Array): Buffer {
  const length = body.length + macBytes
  if (length > maxBytes) throw new CorruptFormatError(`the format blob has ${body.length} bytes, too many to embed`)
  const size = Buffer.alloc(2)
  size.writeUInt16LE(length)
  return Buffer.concat([size, body, macOf(body), size])
}

/** The format blob found in the first or last min(65536, length) bytes of a blob, or undefined (spec 01, 1.11). */
export function recoverFormatBlob(first: Uint8Array, last: Uint8Array): Buffer | undefined {
  return recoverFrom(Buffer.from(first), 'start') ?? recoverFrom(Buffer.from(last), 'end')
}

function recoverFrom(chunk: Buffer, side: 'start' | 'end'): Buffer | undefined {
  if (chunk.length <= 4) return undefined
  const length = chunk.readUInt16LE(side === 'start' ? 0 : chunk.length - 2)
  if (length > maxBytes || length + 2 >= chunk.length || length < macBytes) return undefined
  const from = side === 'start' ? 2 : chunk.length - 2 - length
  const body = chunk.subarray(from, from + length - macBytes)
  return macOf(body).equals(chunk.subarray(from + length - macBytes, from + length)) ? body : undefined
}
