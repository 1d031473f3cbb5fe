import { KuraError } from '#base/errors.ts'

/** One row of the compressor registry (spec 03, 3.1). Streams here lack the 4-byte header ID, which the caller writes and checks. */
export interface CompressorType {
  readonly name: string
  /** Header ID, written big-endian in front of the stream. */
  readonly header: number
  /** Still readable, but not to be offered to users. */
  readonly deprecated: boolean
  /** The compressed stream of `data`. It may be longer than `data`: the caller decides whether to keep it. UnsupportedCompressorError. */
  compress(data: Uint8Array): Promise<Buffer>
  /** The plain bytes of a stream, at most `maxBytes` of them. DecompressionError. */
  expand(data: Uint8Array, maxBytes: number): Promise<Buffer>
}

/** A compressed stream is damaged, cut short, or expands to more bytes than allowed. */
export class DecompressionError extends KuraError {
  readonly code = 'DECOMPRESSION'
}

/** The compressor is unknown, cannot write, or needs a package that is not installed. */
export class UnsupportedCompressorError extends KuraError {
  readonly code = 'UNSUPPORTED_COMPRESSOR'
}

/** Inputs below this size are handled synchronously where the codec can: a trip through the thread pool costs more. */
export const syncBelowBytes = 65536

export const damaged = (format: string, detail: string, cause?: unknown): DecompressionError =>
  new DecompressionError(`cannot expand ${format} data: ${detail}`, cause === undefined ? undefined : { cause })

export const tooLong = (format: string, maxBytes: number): DecompressionError =>
  damaged(format, `it is longer than the ${maxBytes} bytes allowed here`)
