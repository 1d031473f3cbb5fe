import { mapLimited } from '#base/limit.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { groupBySource } from '#snapshot/model/snapshots.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { readDirectory } from '#snapshot/tree/repository-tree.ts'
import { type Version, VersionCollector } from './version.ts'

export interface FindRequest {
  readonly snapshots: readonly Snapshot[]
  readonly matches: (entry: DirectoryEntry) => boolean
  /** Told of directories that cannot be read; what is below them is not found. */
  readonly onUnreadable?: (objectId: string, error: unknown) => void
  /** Told of every directory that is read. */
  readonly onDirectory?: (count: number) => void
  readonly signal?: AbortSignal
}

export interface Found {
  readonly source: SourceInfo
  /** From the source, '/'-separated; '' for the source itself. */
  readonly path: string
  readonly versions: readonly Version[]
}

const readsAtOnce = 32

/** What one directory object has to tell. */
interface Node {
  readonly own: readonly DirectoryEntry[]
  readonly children: readonly (readonly [name: string, id: string])[]
}

interface Match {
  readonly path: string
  readonly entry: DirectoryEntry
}

const nothing: readonly Match[] = []
const emptyNode: Node = { own: [], children: [] }

/** Finds entries by a test on each, in all of the snapshots; by source and path. Each directory object is read once, however many snapshots
 *  share it: a thousand snapshots of a tree that hardly changes cost little more than one. */
export async function findEntries(repository: Repository, request: FindRequest): Promise<Found[]> {
  const nodes = await readAll(repository, request)
  const index = new MatchIndex(nodes)
  const found: Found[] = []
  for (const { source, snapshots } of groupBySource(request.snapshots)) {
    const byPath = new Map<string, VersionCollector>()
    const add = (path: string, entry: DirectoryEntry, snapshot: Snapshot) => {
      const collector = byPath.get(path) ?? new VersionCollector(true)
      byPath.set(path, collector)
      collector.add(entry, snapshot)
    }
    for (const snapshot of snapshots) {
      const root = snapshot.rootEntry
      if (!root) continue
      if (request.matches(root)) add('', root, snapshot)
      if (root.type === 'd') for (const { path, entry } of index.below(root.objectId)) add(path, entry, snapshot)
    }
    for (const path of [...byPath.keys()].sort()) found.push({ source, path, versions: byPath.get(path)?.versions() ?? [] })
  }
  return found
}

/** Level by level, many reads at once. */
async function readAll(repository: Repository, request: FindRequest): Promise<ReadonlyMap<string, Node>> {
  const nodes = new Map<string, Node>()
  let frontier = new Set<string>()
  for (const { rootEntry } of request.snapshots) if (rootEntry?.type === 'd') frontier.add(rootEntry.objectId)
  let count = 0
  while (frontier.size > 0) {
    const next = new Set<string>()
    for (const id of frontier) nodes.set(id, emptyNode)
    await mapLimited(frontier, readsAtOnce, async (id) => {
      request.signal?.throwIfAborted()
      request.onDirectory?.(++count)
      try {
        const { entries } = await readDirectory(repository, id as ObjectId)
        const children = entries.filter((e) => e.type === 'd' && e.objectId !== '').map((e) => [e.name, e.objectId] as const)
        nodes.set(id, { own: entries.filter(request.matches), children })
        for (const [, child] of children) if (!nodes.has(child)) next.add(child)
      } catch (error) {
        request.onUnreadable?.(id, error)
      }
    })
    frontier = next
  }
  return nodes
}

/** What is to be found below each directory object, worked out once for each. */
class MatchIndex {
  readonly #known = new Map<string, readonly Match[]>()

  constructor(readonly nodes: ReadonlyMap<string, Node>) {}

  below(root: string): readonly Match[] {
    const stack = [root]
    for (let id = stack.at(-1); id !== undefined; id = stack.at(-1)) {
      const node = this.nodes.get(id) ?? emptyNode
      if (!this.#known.has(id)) {
        // Stands in while it is worked out, so that a directory inside itself comes to an end.
        this.#known.set(id, nothing)
        const open = node.children.map(([, child]) => child).filter((child) => !this.#known.has(child))
        stack.push(...open)
        if (open.length > 0) continue
      }
      stack.pop()
      this.#known.set(id, this.#gather(node))
    }
    return this.#known.get(root) ?? nothing
  }

  #gather({ own, children }: Node): readonly Match[] {
    const matches: Match[] = own.map((entry) => ({ path: entry.name, entry }))
    for (const [name, child] of children)
      for (const { path, entry } of this.#known.get(child) ?? nothing) matches.push({ path: `${name}/${path}`, entry })
    return matches.length === 0 ? nothing : matches
  }
}
