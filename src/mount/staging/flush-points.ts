import { type FrozenState, freezeTree, standOn } from './freeze.ts'
import type { StagingNode } from './node.ts'
import type { OverlayParts } from './overlay.ts'
import type { FlushPoint, Staging } from './staging.ts'
import type { StagingTree } from './tree.ts'

type CommitResult = Parameters<FlushPoint['commit']>[0]

/** The directory and what is in it differ from the snapshot, though nothing of it waits for one. */
function keepBase(tree: StagingTree, node: StagingNode, state: FrozenState): void {
  if (node.facts === state.facts) tree.uncount(node)
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
    const states = new Map<StagingNode, FrozenState>()
    let droppedXattrs = 0
    for (const node of tree.counted) droppedXattrs += node.xattrs?.size ?? 0
    spool.isHeld = tree.isFrozen = true
    const root = freezeTree(tree, spool, lowerTree, states) as FlushPoint['root']
    let isOver = false
    let isInTable = false
    return {
      root,
      droppedXattrs,
      commit: async (result) => {
        await this.overlay.syncAll()
        if (!isInTable) this.stand(states, result)
        isInTable = true
        await this.overlay.checkpoint()
        isOver = true
        spool.isHeld = tree.isFrozen = false
        this.doom(states)
        this.overlay.committed()
      },
      // After a checkpoint that failed, the table stands on the snapshot and the journal does not: what the journal needs is not doomed.
      abandon: () => {
        if (!isOver) spool.isHeld = tree.isFrozen = false
        isOver = true
      },
    }
  }

  private stand(states: ReadonlyMap<StagingNode, FrozenState>, result: CommitResult): void {
    const { tree } = this.parts
    tree.isAhead = true
    for (const [node, state] of states) {
      const entry = result.objects.get(node.id)
      if (result.standing?.has(node.id) === true) keepBase(tree, node, state)
      else if (entry !== undefined) standOn(tree, node, state, entry)
      else if (node.id === tree.root) standOn(tree, node, state, { objectId: result.rootObject })
      else if (node.facts === state.facts) {
        tree.uncount(node)
        node.isLeftOut = true
      }
    }
    this.overlay.stand({ snapshotId: result.snapshotId, rootObject: result.rootObject })
  }

  /** The journal on disk no longer speaks of them. */
  private doom(states: ReadonlyMap<StagingNode, FrozenState>): void {
    const { spool } = this.parts
    for (const [node, { ranges, generation }] of states) {
      if (ranges === undefined) continue
      spool.doom(node.id, generation, new Set(node.ranges?.map((range) => (range.source === 'spool' ? range.generation : -1))))
    }
  }
}
