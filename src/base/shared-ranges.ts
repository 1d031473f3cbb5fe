/** Pieces of one piece of memory. */
export interface SharedRanges {
  readonly whole: Uint8Array
  /** Start and length of each piece. */
  readonly ranges: Uint32Array
}

const fewest = 8

/** Where views lie in the memory that all of them share, so that native code can be told with two numbers for each; undefined when they
 *  do not share it, or are so few that it does not matter. */
export function sharedRanges(views: readonly Uint8Array[]): SharedRanges | undefined {
  if (views.length < fewest) return undefined
  const { buffer } = views[0] as Uint8Array
  if (buffer.byteLength > 0xffff_ffff) return undefined
  const ranges = new Uint32Array(2 * views.length)
  for (let i = 0; i < views.length; i++) {
    const view = views[i] as Uint8Array
    if (view.buffer !== buffer) return undefined
    ranges[2 * i] = view.byteOffset
    ranges[2 * i + 1] = view.length
  }
  return { whole: new Uint8Array(buffer), ranges }
}
