import type { ObjectId } from '#repo/object/object.ts'

/** Where a range of a file's bytes is. Spool bytes lie at the file's own offsets, in the spool file of `generation`; a generation below 0
 *  stands for a segment (`segments.ts`), and `lowerOffset` is the place in it. Ranges of one file are in order, touch each other, and
 *  cover it from 0 to its size. */
export interface Range {
  readonly offset: number
  readonly length: number
  readonly source: 'spool' | 'zero' | 'lower'
  readonly generation: number
  readonly objectId: ObjectId | ''
  readonly lowerOffset: number
}

export const zeroRange = (offset: number, length: number): Range => ({
  offset,
  length,
  source: 'zero',
  generation: 0,
  objectId: '',
  lowerOffset: 0,
})
export const spoolRange = (offset: number, length: number, generation: number): Range => ({
  offset,
  length,
  source: 'spool',
  generation,
  objectId: '',
  lowerOffset: 0,
})
export const segmentRange = (offset: number, length: number, segment: number, at: number): Range => ({
  offset,
  length,
  source: 'spool',
  generation: -1 - segment,
  objectId: '',
  lowerOffset: at,
})
/** Number of the segment that holds the range; -1 = none. */
export const segmentOf = (range: Range): number => (range.source === 'spool' && range.generation < 0 ? -1 - range.generation : -1)

export const lowerRange = (offset: number, length: number, objectId: ObjectId, lowerOffset: number): Range => ({
  offset,
  length,
  source: 'lower',
  generation: 0,
  objectId,
  lowerOffset,
})

const isElsewhere = (range: Range): boolean => range.source === 'lower' || range.generation < 0

/** The part of a range between two offsets of the file. */
export function part(range: Range, start: number, end: number): Range {
  return {
    ...range,
    offset: start,
    length: end - start,
    lowerOffset: range.lowerOffset + (isElsewhere(range) ? start - range.offset : 0),
  }
}

/** Index of the range that holds the byte at `offset`, or the number of ranges. */
export function indexAt(ranges: readonly Range[], offset: number): number {
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const range = ranges[middle] as Range
    if (range.offset + range.length <= offset) low = middle + 1
    else high = middle
  }
  return low
}

const joins = (a: Range, b: Range): boolean =>
  a.source === b.source &&
  a.generation === b.generation &&
  a.objectId === b.objectId &&
  a.offset + a.length === b.offset &&
  (!isElsewhere(a) || a.lowerOffset + a.length === b.lowerOffset)

/** Puts `range` over what was there, in place; a gap before it becomes zeros. Returns by how much the bytes in the spool grew. */
export function place(ranges: Range[], range: Range): number {
  if (range.length === 0) return 0
  const own = range.source === 'spool' ? range.length : 0
  const last = ranges.at(-1)
  const size = last === undefined ? 0 : last.offset + last.length
  if (range.offset > size) append(ranges, zeroRange(size, range.offset - size))
  if (range.offset >= size) {
    append(ranges, range)
    return own
  }
  const end = range.offset + range.length
  const first = indexAt(ranges, range.offset)
  const over = indexAt(ranges, end - 1)
  let covered = 0
  for (let i = first; i <= over && i < ranges.length; i++) covered += spoolBytesWithin(ranges[i] as Range, range.offset, end)
  const pieces: Range[] = []
  const head = ranges[first] as Range
  if (first > 0) pieces.push(ranges[first - 1] as Range)
  if (head.offset < range.offset) append(pieces, part(head, head.offset, range.offset))
  append(pieces, range)
  const tail = ranges[over]
  if (tail !== undefined && tail.offset + tail.length > end) append(pieces, part(tail, end, tail.offset + tail.length))
  const next = ranges[over + 1]
  if (next !== undefined) append(pieces, next)
  const from = first > 0 ? first - 1 : 0
  const to = Math.min(ranges.length, over + (next === undefined ? 1 : 2))
  ranges.splice(from, to - from, ...pieces)
  return own - covered
}

function spoolBytesWithin(range: Range, start: number, end: number): number {
  if (range.source !== 'spool') return 0
  return Math.max(0, Math.min(end, range.offset + range.length) - Math.max(start, range.offset))
}

function append(ranges: Range[], range: Range): void {
  const last = ranges.at(-1)
  if (last !== undefined && joins(last, range)) ranges[ranges.length - 1] = { ...last, length: last.length + range.length }
  else ranges.push(range)
}

/** Cuts or, with zeros, extends to a size. Returns by how much the bytes in the spool grew: 0 or less. */
export function resize(ranges: Range[], sizeBytes: number): number {
  const last = ranges.at(-1)
  const size = last === undefined ? 0 : last.offset + last.length
  if (sizeBytes > size) append(ranges, zeroRange(size, sizeBytes - size))
  if (sizeBytes >= size) return 0
  const index = indexAt(ranges, sizeBytes)
  const cut = ranges[index]
  let dropped = 0
  for (let i = index; i < ranges.length; i++) dropped += spoolBytesWithin(ranges[i] as Range, sizeBytes, size)
  ranges.length = index
  if (cut !== undefined && cut.offset < sizeBytes) ranges.push(part(cut, cut.offset, sizeBytes))
  return -dropped
}

/** The ranges between two offsets, cut to them. */
export function slice(ranges: readonly Range[], start: number, end: number): Range[] {
  const found: Range[] = []
  for (let i = indexAt(ranges, start); i < ranges.length; i++) {
    const range = ranges[i] as Range
    if (range.offset >= end) break
    found.push(part(range, Math.max(start, range.offset), Math.min(end, range.offset + range.length)))
  }
  return found
}

export function spoolBytes(ranges: readonly Range[]): number {
  let sum = 0
  for (const range of ranges) if (range.source === 'spool') sum += range.length
  return sum
}

/** Where a file has no bytes of the spool file of that generation, up to its last ones: start and end of each gap, in order. */
export function gapsIn(ranges: readonly Range[] | undefined, generation: number): [number, number][] {
  const gaps: [number, number][] = []
  let at = 0
  for (const { source, generation: own, offset, length } of ranges ?? []) {
    if (source !== 'spool' || own !== generation) continue
    if (offset > at) gaps.push([at, offset])
    at = offset + length
  }
  return gaps
}

/** What two lists of gaps have in common. */
export function common(a: readonly (readonly [number, number])[], b: readonly (readonly [number, number])[]): [number, number][] {
  const both: [number, number][] = []
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [one, other] = [a[i] as readonly [number, number], b[j] as readonly [number, number]]
    const [start, end] = [Math.max(one[0], other[0]), Math.min(one[1], other[1])]
    if (end > start) both.push([start, end])
    if (one[1] < other[1]) i++
    else j++
  }
  return both
}
