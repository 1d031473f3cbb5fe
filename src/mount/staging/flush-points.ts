import type { NodeFacts } from './changes.ts'
import { FrozenTree, standOn } from './freeze.ts'
import { StagingError } from './lock.ts'
import type { StagingNode } from './node.ts'
import type { OverlayParts } from './overlay-parts.ts'
import type { FlushPoint, Staging } from './staging.ts'
import type { StagingTree } from './tree.ts'

type CommitResult = Parameters<FlushPoint['commit']>[0]

/** The directory and what is in it differ from the snapshot, though nothing of it waits for one. */
function keepBase(tree: StagingTree, node: StagingNode, facts: NodeFacts): void {
  if (node.facts === facts) tree.uncount(node)
  node.isLeftOut = true
  for (const child of node.children?.values() ?? []) if (typeof child === 'object') child.isLeftOut = true
}

/** What a flush point asks of the overlay. */
interface Overlaid {
  syncAll(): Promise<void>
  checkpoint(): Promise<void>
  stand(lower: Staging['lower']): void
  committed(): void
}

/** Moments of the tree that are being made into snapshots; one at a time (spec 08, 4.8). */
export class FlushPoints {
  constructor(
    private readonly parts: OverlayParts,
    private readonly overlay: Overlaid,
  ) {}

  freeze(): FlushPoint {
    const { tree, spool, lowerTree } = this.parts
    if (tree.isFrozen) throw new StagingError('a flush of this staging area is under way; wait for it')
    let droppedXattrs = 0
    if (tree.hasXattrs) for (const node of tree.counted) droppedXattrs += node.xattrs?.size ?? 0
    spool.isHeld = true
    spool.segments.roll()
    tree.freeze()
    let isOver = false
    let old: OldFile[] | undefined
    const end = (): void => {
      if (isOver) return
      isOver = true
      spool.isHeld = false
      tree.thaw()
    }
    return {
      root: new FrozenTree(tree, spool, lowerTree).root,
      droppedXattrs,
      commit: async (result) => {
        await this.overlay.syncAll()
        old ??= this.stand(result)
        await this.overlay.checkpoint()
        end()
        this.doom(old)
        this.overlay.committed()
      },
      // After a checkpoint that failed, the table stands on the snapshot and the journal does not: what the journal needs is not doomed.
      abandon: end,
    }
  }

  private stand(result: CommitResult): OldFile[] {
    const { tree } = this.parts
    const old: OldFile[] = []
    tree.isAhead = true
    for (const node of [...tree.nodes.values()]) {
      const state = tree.frozen(node)
      if (state === undefined) continue
      const { facts, generation, isCounted } = state
      if (state.ranges !== undefined) old.push({ node, generation })
      const entry = result.objects.get(node.id)
      if (result.standing?.has(node.id) === true) keepBase(tree, node, facts)
      else if (entry !== undefined) standOn(tree, node, state, entry)
      else if (node.id === tree.root) standOn(tree, node, state, { objectId: result.rootObject })
      else if (isCounted && node.facts === facts && node.facts.links > 0) {
        tree.uncount(node)
        node.isLeftOut = true
      }
      if (node.generation === generation && old.at(-1)?.node === node) node.generation++ // the old file goes
    }
    this.overlay.stand({ snapshotId: result.snapshotId, rootObject: result.rootObject })
    return old
  }

  /** The journal on disk no longer speaks of them. */
  private doom(old: readonly OldFile[]): void {
    for (const { node, generation } of old) {
      const inUse = new Set(node.ranges?.map((range) => (range.source === 'spool' ? range.generation : -1)))
      this.parts.spool.doom(node.id, generation, inUse)
    }
  }
}

/** A file that had changed bytes at the flush point, the last of them in that generation. */
interface OldFile {
  readonly node: StagingNode
  readonly generation: number
}
