import * as zlib from 'node:zlib'
import { syncBelowBytes } from './compressor.ts'
import { inflate } from './gzip.ts'

/** Raw DEFLATE (RFC 1951) of `data`, without any wrapper. `level` 1–9 as in zlib. */
export async function deflateCompress(data: Uint8Array, level: number): Promise<Buffer> {
  if (data.length < syncBelowBytes) return zlib.deflateRawSync(data, { level })
  return new Promise((resolve, reject) => zlib.deflateRaw(data, { level }, (error, result) => (error ? reject(error) : resolve(result))))
}

/** Plain bytes up to the final block; what follows it is not looked at (spec 03, 3.2). DecompressionError. */
export async function deflateExpand(data: Uint8Array, maxBytes: number): Promise<Buffer> {
  return inflate('deflate', zlib.inflateRawSync, zlib.inflateRaw, data, maxBytes, false)
}
