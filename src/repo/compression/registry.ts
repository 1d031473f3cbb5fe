import { type CompressorType, UnsupportedCompressorError } from './compressor.ts'
import { deflateCompress, deflateExpand } from './deflate.ts'
import { gzipCompress, gzipExpand } from './gzip.ts'
import { lz4Expand } from './lz4.ts'
import { s2Compress, s2Expand } from './s2.ts'
import { zstdCompress, zstdExpand } from './zstd.ts'

export type { CompressorType } from './compressor.ts'

type Compress = (data: Uint8Array) => Promise<Buffer>
type Expand = CompressorType['expand']

const row = (header: number, name: string, compress: Compress, expand: Expand, deprecated = false): CompressorType => ({
  name,
  header,
  deprecated,
  compress,
  expand,
})
const gzip = (header: number, name: string, level: number) => row(header, name, (data) => gzipCompress(data, level), gzipExpand)
const deflate = (header: number, name: string, level: number) => row(header, name, (data) => deflateCompress(data, level), deflateExpand)
const zstd = (header: number, name: string, level: number, deprecated = false) =>
  row(header, name, (data) => zstdCompress(data, level), zstdExpand, deprecated)
const s2 = (header: number, name: string) => row(header, name, s2Compress, s2Expand)

async function refuseLz4(): Promise<Buffer> {
  throw new UnsupportedCompressorError('lz4 can no longer be written. Choose another compressor, such as zstd.')
}

/** Spec 03, 3.1. */
const all: readonly CompressorType[] = [
  gzip(0x1000, 'gzip', 6),
  gzip(0x1001, 'gzip-best-speed', 1),
  gzip(0x1002, 'gzip-best-compression', 9),
  zstd(0x1100, 'zstd', 3),
  zstd(0x1101, 'zstd-fastest', 1),
  zstd(0x1102, 'zstd-better-compression', 7),
  zstd(0x1103, 'zstd-best-compression', 12, true),
  s2(0x1200, 's2-default'),
  s2(0x1201, 's2-better'),
  s2(0x1202, 's2-parallel-4'),
  s2(0x1203, 's2-parallel-8'),
  gzip(0x1300, 'pgzip', 6),
  gzip(0x1301, 'pgzip-best-speed', 1),
  gzip(0x1302, 'pgzip-best-compression', 9),
  row(0x1400, 'lz4', refuseLz4, lz4Expand, true),
  deflate(0x1500, 'deflate-default', 6),
  deflate(0x1501, 'deflate-best-speed', 1),
  deflate(0x1502, 'deflate-best-compression', 9),
]

const byName = new Map(all.map((c) => [c.name, c]))
const byHeader = new Map(all.map((c) => [c.header, c]))

/** Registered names, sorted. `none` is not among them. */
export const compressorNames: readonly string[] = all.map((c) => c.name).sort()

/** Undefined for '', `none` and unknown names, which all mean "no compression" (spec 03, 1.2). */
export function compressorByName(name: string): CompressorType | undefined {
  return byName.get(name)
}

/** The compressor of a header ID read from an index entry or a container. Throws UnsupportedCompressorError. */
export function compressorByHeader(header: number): CompressorType {
  const found = byHeader.get(header)
  if (!found) throw new UnsupportedCompressorError(`compressor 0x${header.toString(16)} is not known to this version. Update it.`)
  return found
}

/** Whether a policy may name the compressor: registered, and able to write (spec 03, 3.1). */
export function isSupported(name: string): boolean {
  return byName.has(name) && name !== 'lz4'
}
