const p1 = 0x9e3779b1
const p2 = 0x85ebca77
const p3 = 0xc2b2ae3d
const p4 = 0x27d4eb2f
const p5 = 0x165667b1

const rotl = (x: number, r: number): number => (x << r) | (x >>> (32 - r))

/** XXH32 of data[start, end) with seed 0, as an unsigned 32-bit number (the xxHash specification; used by LZ4 frames). */
export function xxh32(data: Uint8Array, start = 0, end = data.length): number {
  const word = (i: number): number =>
    (data[i] as number) | ((data[i + 1] as number) << 8) | ((data[i + 2] as number) << 16) | ((data[i + 3] as number) << 24)
  const round = (lane: number, i: number): number => Math.imul(rotl((lane + Math.imul(word(i), p2)) | 0, 13), p1)
  let i = start
  let h = p5
  if (end - start >= 16) {
    let a = (p1 + p2) | 0
    let b = p2 | 0
    let c = 0
    let d = -p1 | 0
    for (; i + 16 <= end; i += 16) {
      a = round(a, i)
      b = round(b, i + 4)
      c = round(c, i + 8)
      d = round(d, i + 12)
    }
    h = rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18)
  }
  h = (h + end - start) | 0
  for (; i + 4 <= end; i += 4) h = Math.imul(rotl((h + Math.imul(word(i), p3)) | 0, 17), p4)
  for (; i < end; i++) h = Math.imul(rotl((h + Math.imul(data[i] as number, p5)) | 0, 11), p1)
  h = Math.imul(h ^ (h >>> 15), p2)
  h = Math.imul(h ^ (h >>> 13), p3)
  return (h ^ (h >>> 16)) >>> 0
}
