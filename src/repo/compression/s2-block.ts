import { damaged } from './compressor.ts'

const corrupt = (detail: string) => damaged('s2', detail)

/** The length that starts a block: base 128, low group first (spec 03, 3.3). */
export function blockLength(data: Uint8Array, start: number, end: number): { readonly length: number; readonly next: number } {
  let length = 0
  for (let i = 0; i < 5; i++) {
    if (start + i >= end) throw corrupt('it ends inside a block')
    const b = data[start + i] as number
    length += (b & 0x7f) * 2 ** (7 * i)
    if (b < 0x80) {
      if (length > 0xffffffff) break
      return { length, next: start + i + 1 }
    }
  }
  throw corrupt('the length of a block is out of range')
}

/** Expands the tags at data[at, end) into out[from, to), all of both. Throws DecompressionError. Source: spec 03, 3.3. */
export function expandBlock(data: Uint8Array, at: number, end: number, out: Uint8Array, from: number, to: number): void {
  let i = at
  let o = from
  let offset = 0
  while (i < end) {
    const t = data[i++] as number
    const kind = t & 3
    let length: number
    if (kind === 0) {
      length = t >> 2
      if (length >= 60) {
        const count = length - 59
        if (i + count > end) throw corrupt('it ends inside a block')
        length = 0
        for (let k = 0; k < count; k++) length += (data[i++] as number) * 2 ** (8 * k)
      }
      length++
      if (length > end - i || length > to - o) throw corrupt('a literal is too long')
      if (length > 24) out.set(data.subarray(i, i + length), o)
      else for (let k = 0; k < length; k++) out[o + k] = data[i + k] as number
      i += length
      o += length
      continue
    }
    // Bytes behind the end of `data` count as 0 here; the check of `i` below catches them.
    if (kind === 1) {
      const distance = ((t & 0xe0) << 3) | (data[i++] as number)
      length = (t >> 2) & 7
      if (distance !== 0) {
        offset = distance
        length += 4
      } else {
        if (length === 5) length = 8 + (data[i++] as number)
        else if (length === 6) {
          length = 260 + ((data[i] as number) | ((data[i + 1] as number) << 8))
          i += 2
        } else if (length === 7) {
          length = 65540 + ((data[i] as number) | ((data[i + 1] as number) << 8) | ((data[i + 2] as number) << 16))
          i += 3
        } else length += 4
      }
    } else if (kind === 2) {
      length = 1 + (t >> 2)
      offset = (data[i] as number) | ((data[i + 1] as number) << 8)
      i += 2
    } else {
      length = 1 + (t >> 2)
      offset = ((data[i] as number) | ((data[i + 1] as number) << 8) | ((data[i + 2] as number) << 16)) + (data[i + 3] as number) * 2 ** 24
      i += 4
    }
    if (i > end) throw corrupt('it ends inside a block')
    if (offset === 0 || offset > o - from) throw corrupt('a copy reaches before the start of its block')
    if (length > to - o) throw corrupt('a block is longer than it says')
    copyWithin(out, o, offset, length)
    o += length
  }
  if (o !== to) throw corrupt('a block is shorter than it says')
}

/** Repeats the bytes `offset` behind `o`; the two ranges may overlap. */
export function copyWithin(out: Uint8Array, o: number, offset: number, length: number): void {
  if (length > 32 && offset >= length) out.copyWithin(o, o - offset, o - offset + length)
  else if (length > 64 && offset === 1) out.fill(out[o - 1] as number, o, o + length)
  else for (let k = 0; k < length; k++) out[o + k] = out[o - offset + k] as number
}
