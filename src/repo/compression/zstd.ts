import { createRequire } from 'node:module'
import * as zlib from 'node:zlib'
import { messageOf } from '#base/errors.ts'
import { nativeAddon } from '#base/native.ts'
import { damaged, syncBelowBytes, tooLong, UnsupportedCompressorError } from './compressor.ts'
import { zstdLayout } from './zstd-frames.ts'

/** One Zstandard frame (RFC 8878) holding `data`. `level` as in libzstd; levels up to 19 keep the window at 8 MiB or below.
 *  UnsupportedCompressorError where no libzstd is to be had. */
export async function zstdCompress(data: Uint8Array, level: number): Promise<Buffer> {
  const { package: packaged } = codecs()
  if (packaged && data.length < syncBelowBytes) return packaged.compress(data, level)
  const native = nativeAddon()?.zstd
  if (native) return native.compress(data, level)
  if (packaged) return packaged.compress(data, level)
  return builtIn().compress(data, level)
}

/** Plain bytes of all frames; skippable frames are passed over, checksums verified. The bound on the output is checked against the
 *  headers before anything is allocated. DecompressionError. */
export async function zstdExpand(data: Uint8Array, maxBytes: number): Promise<Buffer> {
  const layout = zstdLayout(data)
  if (layout.frames.length === 0) return Buffer.alloc(0)
  const outBytes = Math.min(layout.maxPlainBytes, maxBytes)
  const { package: packaged } = codecs()
  const native = nativeAddon()?.zstd
  try {
    if (packaged && (data.length < syncBelowBytes || !native)) return packaged.expand(data, outBytes)
    if (native) return await native.expand(data, outBytes)
  } catch (error) {
    if (/too small|more than/i.test(messageOf(error))) throw tooLong('zstd', maxBytes)
    throw damaged('zstd', messageOf(error), error)
  }
  return expandBuiltIn(data, layout.frames, maxBytes)
}

interface Package {
  compress(data: Uint8Array, level: number): Buffer
  expand(data: Uint8Array, outBytes: number): Buffer
}

let found: { readonly package: Package | undefined } | undefined

/** The npm package zstd-napi, an optional dependency; loaded once, at the first use. */
function codecs(): { readonly package: Package | undefined } {
  if (found) return found
  try {
    found = { package: packageCodec(createRequire(import.meta.url)('zstd-napi/binding.js') as Binding) }
  } catch {
    found = { package: undefined }
  }
  return found
}

type Binding = typeof import('zstd-napi/binding.js')

function packageCodec(binding: Binding): Package {
  const compressors = new Map<number, InstanceType<Binding['CCtx']>>()
  const decoder = new binding.DCtx()
  let scratch = Buffer.alloc(0)
  return {
    compress(data, level) {
      let context = compressors.get(level)
      if (!context) {
        context = new binding.CCtx()
        context.setParameter(binding.CParameter.compressionLevel, level)
        compressors.set(level, context)
      }
      const bound = binding.compressBound(data.length)
      let out = scratch
      if (bound > out.length) {
        out = Buffer.allocUnsafeSlow(Math.max(bound, 128 << 10))
        if (bound <= 9 << 20) scratch = out
      }
      return Buffer.from(out.subarray(0, context.compress2(out, data)))
    },
    expand(data, outBytes) {
      const out = Buffer.allocUnsafeSlow(outBytes)
      const length = decoder.decompress(out, data)
      return length * 4 >= outBytes * 3 ? out.subarray(0, length) : Buffer.from(out.subarray(0, length))
    },
  }
}

// Node 22.15 and later have zstd in zlib; the types installed are those of Node 20.
interface ZlibZstd {
  readonly zstdCompressSync?: (data: Uint8Array, options: object) => Buffer
  readonly zstdDecompressSync?: (data: Uint8Array, options: object) => Buffer
  readonly constants: Readonly<Record<string, number>>
}

function builtIn(): { compress(data: Uint8Array, level: number): Buffer; expand(frame: Uint8Array, maxBytes: number): Buffer } {
  const node = zlib as unknown as ZlibZstd
  const { zstdCompressSync, zstdDecompressSync } = node
  if (!zstdCompressSync || !zstdDecompressSync)
    throw new UnsupportedCompressorError(
      'zstd is not available: neither the native addon nor the package zstd-napi could be loaded. ' +
        'Run "npm run build:native" or "npm rebuild zstd-napi", or use Node.js 22.15 or later.',
    )
  const { ZSTD_c_compressionLevel: levelKey = 100, ZSTD_d_windowLogMax: windowKey = 100 } = node.constants
  return {
    compress: (data, level) => zstdCompressSync(data, { params: { [levelKey]: level } }),
    expand: (frame, maxBytes) =>
      zstdDecompressSync(frame, { params: { [windowKey]: 29 }, maxOutputLength: Math.max(1, Math.min(maxBytes, 0x7fffffff)) }),
  }
}

function expandBuiltIn(data: Uint8Array, frames: readonly (readonly [number, number])[], maxBytes: number): Buffer {
  const codec = builtIn()
  const parts: Buffer[] = []
  let left = maxBytes
  for (const [start, end] of frames) {
    try {
      parts.push(codec.expand(data.subarray(start, end), left))
    } catch (error) {
      if (/larger than|ERR_BUFFER_TOO_LARGE/.test(messageOf(error))) throw tooLong('zstd', maxBytes)
      throw damaged('zstd', messageOf(error), error)
    }
    left -= (parts.at(-1) as Buffer).length
    if (left < 0) throw tooLong('zstd', maxBytes)
  }
  return Buffer.concat(parts)
}
