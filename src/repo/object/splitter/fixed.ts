import type { SplitterType } from './splitter.ts'

/** Cuts after every `sizeBytes` bytes (spec 03, 2.2). */
export function fixedSplitter(name: string, sizeBytes: number): SplitterType {
  return {
    name,
    minBytes: sizeBytes,
    maxBytes: sizeBytes,
    findCut: (data, start) => (data.length - start >= sizeBytes ? start + sizeBytes : -1),
  }
}
