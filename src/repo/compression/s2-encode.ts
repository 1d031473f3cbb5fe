const tableBits = 16
const table = new Int32Array(1 << tableBits)

/** Largest number of bytes a block of `length` bytes can take. */
export const maxBlockBytes = (length: number): number => 32 + length + Math.ceil(length / 6)

/** Writes data[start, end) as one S2 block (length and tags) to out[at…) and returns where it ends. `out` needs maxBlockBytes of room.
 *  A greedy LZ77 with one hash table of 4-byte sequences. Source: spec 03, 3.3. */
export function encodeBlock(data: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
  let o = putLength(out, at, end - start)
  const bits = Math.min(tableBits, Math.max(8, 32 - Math.clz32(end - start)))
  const shift = 32 - bits
  table.fill(-1, 0, 1 << bits)
  const limit = end - 8
  let literal = start
  let repeat = 0
  let i = start + 1
  while (i < limit) {
    const word = (data[i] as number) | ((data[i + 1] as number) << 8) | ((data[i + 2] as number) << 16) | ((data[i + 3] as number) << 24)
    const slot = Math.imul(word, 0x9e3779b1) >>> shift
    let candidate = table[slot] as number
    table[slot] = i
    if (candidate < 0 || !same4(data, candidate, i)) {
      // Data that does not compress is passed over in growing steps, but never so fast that a later repetition is missed.
      i += Math.min(32, 1 + ((i - literal) >> 5))
      continue
    }
    while (i > literal && candidate > start && data[i - 1] === data[candidate - 1]) {
      i--
      candidate--
    }
    const offset = i - candidate
    let stop = i + 4
    let ahead = candidate + 4
    while (stop < end && data[stop] === data[ahead]) {
      stop++
      ahead++
    }
    o = putLiteral(data, literal, i, out, o)
    o = offset === repeat ? putRepeat(out, o, stop - i) : putCopy(out, o, offset, stop - i)
    repeat = offset
    literal = stop
    i = stop
    if (i < limit) remember(data, i - 2, shift)
  }
  return putLiteral(data, literal, end, out, o)
}

const same4 = (d: Uint8Array, a: number, b: number): boolean =>
  d[a] === d[b] && d[a + 1] === d[b + 1] && d[a + 2] === d[b + 2] && d[a + 3] === d[b + 3]

function remember(d: Uint8Array, i: number, shift: number): void {
  const word = (d[i] as number) | ((d[i + 1] as number) << 8) | ((d[i + 2] as number) << 16) | ((d[i + 3] as number) << 24)
  table[Math.imul(word, 0x9e3779b1) >>> shift] = i
}

function putLength(out: Uint8Array, at: number, length: number): number {
  let o = at
  let rest = length
  for (; rest >= 0x80; rest >>>= 7) out[o++] = (rest & 0x7f) | 0x80
  out[o++] = rest
  return o
}

function putLiteral(data: Uint8Array, from: number, to: number, out: Uint8Array, at: number): number {
  const length = to - from
  if (length === 0) return at
  let o = at
  const m = length - 1
  if (m < 60) out[o++] = m << 2
  else {
    const count = m < 0x100 ? 1 : m < 0x10000 ? 2 : 3
    out[o++] = (59 + count) << 2
    for (let k = 0; k < count; k++) out[o++] = (m >> (8 * k)) & 0xff
  }
  if (length > 24) out.set(data.subarray(from, to), o)
  else for (let k = 0; k < length; k++) out[o + k] = data[from + k] as number
  return o + length
}

function putCopy(out: Uint8Array, at: number, offset: number, length: number): number {
  let o = at
  if (offset < 2048 && (length < 12 || length > 64)) {
    const first = length < 12 ? length : 8
    out[o++] = ((offset >> 8) << 5) | ((first - 4) << 2) | 1
    out[o++] = offset & 0xff
    return first === length ? o : putRepeat(out, o, length - first)
  }
  const first = length <= 64 ? length : 60
  const wide = offset >= 65536
  out[o++] = ((first - 1) << 2) | (wide ? 3 : 2)
  out[o++] = offset & 0xff
  out[o++] = (offset >> 8) & 0xff
  if (wide) {
    out[o++] = (offset >> 16) & 0xff
    out[o++] = offset >>> 24
  }
  return first === length ? o : putRepeat(out, o, length - first)
}

/** `length` is at least 4 and, blocks being 1 MiB at most, below 65540 + 2^24. */
function putRepeat(out: Uint8Array, at: number, length: number): number {
  let o = at
  const [f, rest, count] =
    length <= 8 ? [length - 4, 0, 0] : length < 264 ? [5, length - 8, 1] : length < 65796 ? [6, length - 260, 2] : [7, length - 65540, 3]
  out[o++] = ((f as number) << 2) | 1
  out[o++] = 0
  for (let k = 0; k < (count as number); k++) out[o++] = ((rest as number) >> (8 * k)) & 0xff
  return o
}
