import { compressorByHeader } from '#repo/compression/registry.ts'

/** Name of a compressor by its header ID, `compression-‹hex›` if unknown (spec 06, 14.2). */
export function compressionName(header: number): string {
  try {
    return compressorByHeader(header).name
  } catch {
    return `compression-${header.toString(16)}`
  }
}
