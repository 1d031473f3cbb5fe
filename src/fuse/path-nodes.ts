import { LRUCache } from 'lru-cache'
import { errno, FuseError } from './errno.ts'
import { type Attributes, type Caller, type Entry, type FuseOperations, rootNode } from './operations.ts'

/** Paths whose nodes are remembered. */
const maxPaths = 65_536

/** A node that was looked up, until `done` is called. */
export interface HeldNode {
  readonly node: number
  readonly attributes: Attributes | undefined
  done(): void
}

/** Nodes by path, for drivers that know only paths. Keeps the lookup counts right: each node it remembers holds one lookup. */
export class PathNodes {
  private readonly known: LRUCache<string, { readonly node: number }>

  constructor(
    private readonly operations: FuseOperations,
    private readonly caller: Caller,
  ) {
    this.known = new LRUCache({
      max: maxPaths,
      dispose: ({ node }) => operations.forget?.(node, 1),
    })
  }

  /** The node of an absolute path of UTF-8 names. Throws FuseError(ENOENT) and what `lookup` throws. */
  async find(path: string): Promise<HeldNode> {
    let node = rootNode
    let attributes: Attributes | undefined
    let passing: number | undefined
    let at = ''
    for (const name of path.split('/')) {
      if (name === '') continue
      at += `/${name}`
      const known = this.known.get(at)
      if (known !== undefined) {
        this.leave(passing)
        passing = undefined
        node = known.node
        attributes = undefined
        continue
      }
      const entry = await this.lookup(node, name).finally(() => this.leave(passing))
      passing = undefined
      node = entry.node
      attributes = { ...entry.attributes }
      if (entry.entrySeconds > 0) this.known.set(at, { node }, { ttl: entry.entrySeconds * 1000 })
      else passing = node
    }
    return { node, attributes, done: () => this.leave(passing) }
  }

  private async lookup(parent: number, name: string): Promise<Entry> {
    const entry = await this.operations.lookup(this.caller, parent, Buffer.from(name, 'utf8').toString('latin1'))
    if (entry.node === 0) throw new FuseError(errno.ENOENT)
    return entry
  }

  private leave(node: number | undefined): void {
    if (node !== undefined) this.operations.forget?.(node, 1)
  }
}
