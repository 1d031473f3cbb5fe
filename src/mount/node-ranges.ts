/** Who a node of a writable mount belongs to. Snapshots count from 1 (`table.ts`) and never come as far as 2^52; above it each overlay
 *  has 2^46 numbers of its own, and what the mount itself makes up lies in the last half. All stay below 2^53. */
export const firstOverlayNode = 2 ** 52
const overlaySpan = 2 ** 46
export const maxOverlays = 32
export const firstControlNode = firstOverlayNode + maxOverlays * overlaySpan

/** First node number of the n-th overlay. */
export const overlayNode = (index: number): number => firstOverlayNode + index * overlaySpan

/** Index of the overlay that a node belongs to; -1 = one of the snapshots, -2 = one of the mount itself. */
export function wingOf(node: number): number {
  if (node < firstOverlayNode) return -1
  return node >= firstControlNode ? -2 : Math.floor((node - firstOverlayNode) / overlaySpan)
}
