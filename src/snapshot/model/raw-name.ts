import { isUtf8 } from 'node:buffer'

/** Names that are not UTF-8. As text, each byte that is no part of valid UTF-8 becomes one lone surrogate, U+DC00 + byte (as Python's
 *  surrogateescape): it never equals a stored name, goString writes it as `\ufffd`, and the bytes can be had back.
 *  What counts as one bad byte is Go's rule (spec 03, section 0). */
export function decodeName(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8')
  let text = ''
  let start = 0
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at)
    if (length === 0) {
      text += bytes.toString('utf8', start, at) + String.fromCharCode(0xdc00 + (bytes[at] as number))
      at++
      start = at
    } else at += length
  }
  return text + bytes.toString('utf8', start)
}

/** The bytes that decodeName was given. */
export function encodeName(name: string): Buffer {
  if (name.isWellFormed()) return Buffer.from(name)
  const parts = name.split(/([\udc80-\udcff])/)
  // A low surrogate that belongs to a pair must stay with it: split by code points instead.
  if (/[\ud800-\udbff]/.test(name)) return Buffer.concat([...name].map(encodeCharacter))
  return Buffer.concat(parts.map(encodeCharacter))
}

const encodeCharacter = (text: string): Buffer => {
  const code = text.charCodeAt(0)
  return text.length === 1 && code >= 0xdc80 && code <= 0xdcff ? Buffer.from([code - 0xdc00]) : Buffer.from(text)
}

/** Name as it reads once it is stored: U+FFFD for each bad byte. */
export const storedName = (name: string): string => name.toWellFormed()

/** False for what must never become a path element on this machine: '', '.', '..', or anything with a slash or a NUL. */
export const isSafeName = (name: string): boolean =>
  name !== '' && name !== '.' && name !== '..' && !name.includes('/') && !name.includes('\0')

/** Length of the valid UTF-8 sequence at `at`, or 0. Source: RFC 3629. */
function sequenceLength(b: Buffer, at: number): number {
  const first = b[at] as number
  if (first < 0x80) return 1
  const next = (i: number, low = 0x80, high = 0xbf) => {
    const byte = b[at + i]
    return byte !== undefined && byte >= low && byte <= high
  }
  if (first >= 0xc2 && first <= 0xdf) return next(1) ? 2 : 0
  if (first >= 0xe0 && first <= 0xef) {
    const low = first === 0xe0 ? 0xa0 : 0x80
    const high = first === 0xed ? 0x9f : 0xbf
    return next(1, low, high) && next(2) ? 3 : 0
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const low = first === 0xf0 ? 0x90 : 0x80
    const high = first === 0xf4 ? 0x8f : 0xbf
    return next(1, low, high) && next(2) && next(3) ? 4 : 0
  }
  return 0
}
