/** The simplest thing that behaves as a file system should: a tree of objects with whole contents. What the overlay is compared with. */
export interface ModelNode {
  kind: 'file' | 'directory' | 'link' | 'fifo'
  mode: number
  uid: number
  gid: number
  modifiedNs: bigint
  data: Buffer
  links: number
  children: Map<string, ModelNode>
}

export const newModelNode = (kind: ModelNode['kind'], mode: number, uid: number, gid: number, modifiedNs: bigint): ModelNode => ({
  kind,
  mode,
  uid,
  gid,
  modifiedNs,
  data: Buffer.alloc(0),
  links: kind === 'directory' ? 2 : 1,
  children: new Map(),
})

export type Description = Record<string, string>

const hashOf = (data: Uint8Array): string => {
  let hash = 7
  for (const byte of data) hash = (Math.imul(hash, 31) + byte) | 0
  return `${data.length}:${hash}`
}

export const describe1 = (
  kind: string,
  mode: number,
  uid: number,
  gid: number,
  modifiedNs: bigint,
  data: Uint8Array,
  links: number | undefined,
): string => `${kind} ${(mode & 0o7777).toString(8)} ${uid}:${gid} ${modifiedNs} ${hashOf(data)}${links === undefined ? '' : ` x${links}`}`

/** One line for each path. `stored`: as a snapshot has it, without FIFOs and link counts. */
export function describeModel(root: ModelNode, stored = false): Description {
  const lines: Description = {}
  const walk = (node: ModelNode, path: string): void => {
    if (stored && node.kind === 'fifo') return
    const links = stored || node.kind === 'directory' ? undefined : node.links
    lines[path] = describe1(node.kind, node.mode, node.uid, node.gid, node.modifiedNs, node.data, links)
    for (const [name, child] of node.children) walk(child, `${path}/${name}`)
  }
  walk(root, '')
  return lines
}

export function contains(node: ModelNode, other: ModelNode): boolean {
  if (node === other) return true
  for (const child of node.children.values()) if (contains(child, other)) return true
  return false
}

/** Repeatable random numbers (mulberry32). */
export function randomOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}
