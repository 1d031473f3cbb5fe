import { nativeAddon } from '#base/native.ts'
import { buzhashTable } from './buzhash-table.ts'
import { type SplitterType, windowBytes } from './splitter.ts'

/** Content-defined cuts by a 32-bit cyclic polynomial; `averageBytes` is a power of two of at least 128 (spec 03, 2.3 and 2.4). */
export function buzhashSplitter(name: string, averageBytes: number): SplitterType {
  return {
    name,
    minBytes: averageBytes / 2,
    maxBytes: averageBytes * 2,
    findCut(data, start, resume) {
      if (data.length - start < averageBytes / 2) return -1
      return nativeAddon()?.findCut(0, averageBytes, data, start, resume) ?? findBuzhashCut(averageBytes, data, start, resume)
    },
  }
}

/** The twin of the addon's findCut with kind 0. */
export function findBuzhashCut(averageBytes: number, data: Uint8Array, start: number, resume: number): number {
  const table = buzhashTable
  const mask = averageBytes - 1
  const limit = start + averageBytes * 2
  const stop = Math.min(data.length, limit)
  // `end` is the position being tested: a segment of data[start, end).
  let end = Math.max(start + averageBytes / 2, resume + 1)
  if (end > stop) return stop === limit ? limit : -1
  let h = 0
  for (let i = end - windowBytes; i < end; i++) h = ((h << 1) | (h >>> 31)) ^ (table[data[i] as number] as number)
  while ((h & mask) !== 0) {
    if (end === stop) return stop === limit ? limit : -1
    h = ((h << 1) | (h >>> 31)) ^ (table[data[end - windowBytes] as number] as number) ^ (table[data[end] as number] as number)
    end++
  }
  return end
}
