import type { ObjectWriterOptions } from '#repo/object/object.ts'

/** Who writes what (spec 03, 1.3). */
export const directoryObjectOptions = (metadataCompressor: string): ObjectWriterOptions => ({
  prefix: 'k',
  compressor: metadataCompressor,
  metadataCompressor,
  splitter: '',
})

export const symlinkObjectOptions = (metadataCompressor: string): ObjectWriterOptions => ({
  prefix: '',
  compressor: '',
  metadataCompressor,
  splitter: '',
})
