import * as zlib from 'node:zlib'
import { messageOf, systemCode } from '#base/errors.ts'
import { damaged, syncBelowBytes, tooLong } from './compressor.ts'

/** gzip (RFC 1952) of `data` in one member. `level` 1–9 as in zlib. */
export async function gzipCompress(data: Uint8Array, level: number): Promise<Buffer> {
  if (data.length < syncBelowBytes) return zlib.gzipSync(data, { level })
  return new Promise((resolve, reject) => zlib.gzip(data, { level }, (error, result) => (error ? reject(error) : resolve(result))))
}

/** Plain bytes of one or more gzip members; length and CRC are checked, anything else behind the last member is an error. DecompressionError. */
export async function gzipExpand(data: Uint8Array, maxBytes: number): Promise<Buffer> {
  return inflate('gzip', zlib.gunzipSync, zlib.gunzip, data, maxBytes, true)
}

interface WithEngine {
  readonly buffer: Buffer
  readonly engine: { readonly bytesWritten: number }
}
// With `info: true` zlib answers with the engine, which knows how much input it used; @types/node has no types for that.
type InfoOptions = zlib.ZlibOptions & { readonly info: true }
type Sync = (data: Uint8Array, options: InfoOptions) => unknown
type Async = (data: Uint8Array, options: InfoOptions, done: (error: Error | null, result: unknown) => void) => void

/** Runs one of zlib's expanders with a bound on its output. `whole`: all the input has to be used up. DecompressionError. */
export async function inflate(
  format: string,
  sync: (data: Uint8Array, options: zlib.ZlibOptions) => Buffer,
  async: (data: Uint8Array, options: zlib.ZlibOptions, done: (error: Error | null, result: Buffer) => void) => void,
  data: Uint8Array,
  maxBytes: number,
  whole: boolean,
): Promise<Buffer> {
  const options: InfoOptions = {
    info: true,
    maxOutputLength: Math.max(1, Math.min(maxBytes, 0x7fffffff)),
    chunkSize: Math.min(Math.max(1024, maxBytes), Math.max(16384, data.length * 4), 1 << 20),
  }
  let result: WithEngine
  try {
    result = (
      data.length < syncBelowBytes
        ? (sync as Sync)(data, options)
        : await new Promise<unknown>((resolve, reject) => (async as Async)(data, options, (e, r) => (e ? reject(e) : resolve(r))))
    ) as WithEngine
  } catch (error) {
    if (systemCode(error) === 'ERR_BUFFER_TOO_LARGE') throw tooLong(format, maxBytes)
    throw damaged(format, messageOf(error), error)
  }
  if (result.buffer.length > maxBytes) throw tooLong(format, maxBytes)
  if (whole && result.engine.bytesWritten !== data.length) throw damaged(format, 'other data follows the last member')
  return result.buffer
}
