import type { CompressionPolicy, Policy } from './policy.ts'

/** Compressor for a file's data, '' for none. `sizeBytes` as lstat said, 0 for streams. Extensions are compared with case, dot included;
 *  `onlyCompress` only lifts `neverCompress`. Source: spec 07, 7.3.3. */
export function compressorFor(compression: CompressionPolicy, fileName: string, sizeBytes: number): string {
  const name = compression.compressorName
  if (name === undefined || name === '' || name === 'none') return ''
  if (compression.minSize && compression.minSize > 0 && sizeBytes < compression.minSize) return ''
  if (compression.maxSize && compression.maxSize > 0 && sizeBytes > compression.maxSize) return ''
  if (compression.onlyCompress || compression.neverCompress) {
    const dot = fileName.lastIndexOf('.')
    const extension = dot < 0 ? '' : fileName.slice(dot)
    if (compression.onlyCompress?.includes(extension)) return name
    if (compression.neverCompress?.includes(extension)) return ''
  }
  return name
}

/** Compressor for directories and index streams, '' for none. */
export function metadataCompressorOf(policy: Policy): string {
  const name = policy.metadataCompression.compressorName
  return name === undefined || name === 'none' ? '' : name
}
