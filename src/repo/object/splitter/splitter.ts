/** Decides where an object is cut into contents. Has no state: the caller keeps the bytes of the current segment. */
export interface SplitterType {
  readonly name: string
  /** No segment but the last is shorter. */
  readonly minBytes: number
  readonly maxBytes: number
  /** Absolute end (exclusive) of the segment that begins at data[start], or -1 when `data` ends before a cut. `resume` = data length
   *  of an earlier call for the same segment that gave -1, or `start`: cuts at or before it are not looked for again. */
  findCut(data: Uint8Array, start: number, resume: number): number
}

/** Bytes that the rolling hashes look at (spec 03, 2.3). Smaller than any registered minimum, so that a window never spans a cut. */
export const windowBytes = 64
