import { nativeAddon } from '#base/native.ts'

// Slicing by 8: table k holds the effect of a byte followed by k zero bytes. Polynomial 0x1edc6f41, reflected (spec 03, 3.3).
const tables = new Uint32Array(8 * 256)
for (let b = 0; b < 256; b++) {
  let c = b
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1
  tables[b] = c
}
for (let i = 256; i < 8 * 256; i++) {
  const c = tables[i - 256] as number
  tables[i] = (c >>> 8) ^ (tables[c & 0xff] as number)
}

/** CRC-32C (Castagnoli) of `data`, as an unsigned 32-bit number. */
export function crc32c(data: Uint8Array): number {
  const native = nativeAddon()
  return native ? native.crc32c(data) >>> 0 : crc32cTwin(data)
}

/** The same without the addon. */
export function crc32cTwin(data: Uint8Array): number {
  const t = tables
  const end = data.length
  let c = 0xffffffff
  let i = 0
  for (; i + 8 <= end; i += 8) {
    const low =
      c ^ ((data[i] as number) | ((data[i + 1] as number) << 8) | ((data[i + 2] as number) << 16) | ((data[i + 3] as number) << 24))
    c =
      (t[1792 + (low & 0xff)] as number) ^
      (t[1536 + ((low >>> 8) & 0xff)] as number) ^
      (t[1280 + ((low >>> 16) & 0xff)] as number) ^
      (t[1024 + (low >>> 24)] as number) ^
      (t[768 + (data[i + 4] as number)] as number) ^
      (t[512 + (data[i + 5] as number)] as number) ^
      (t[256 + (data[i + 6] as number)] as number) ^
      (t[data[i + 7] as number] as number)
  }
  for (; i < end; i++) c = (c >>> 8) ^ (t[(c ^ (data[i] as number)) & 0xff] as number)
  return ~c >>> 0
}
