import type { DirectRepository } from '#repo/repository/repository.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { everySnapshot } from './collect.ts'
import { LiveContents } from './live-contents.ts'

/** What snapshots hold in packed bytes. */
export interface HeldSpace {
  /** In contents that no other snapshot needs. */
  readonly aloneBytes: number
  readonly aloneCount: number
  /** In contents that other snapshots need too. */
  readonly sharedBytes: number
}

/** The space that snapshots hold, alone and together with all others; undefined when the indexes are not ours to read. Walks all trees, each
 *  directory once. Throws UnreadableTreeError. */
export async function spaceHeldBy(repository: DirectRepository, snapshots: readonly Snapshot[]): Promise<HeldSpace | undefined> {
  const committed = repository.contents.upkeep?.committed
  if (!committed) return undefined
  const theirs = new LiveContents(repository, committed)
  for (const snapshot of snapshots) await theirs.mark(snapshot)
  const others = new LiveContents(repository, committed)
  const ids = new Set(snapshots.map(({ id }) => id))
  for (const snapshot of await everySnapshot(repository)) if (!ids.has(snapshot.id)) await others.mark(snapshot)
  let aloneBytes = 0
  let aloneCount = 0
  let sharedBytes = 0
  for (const { slot, file, row } of committed.winners()) {
    if (!theirs.has(slot)) continue
    const bytes = file.packedLengthAt(row)
    if (others.has(slot)) sharedBytes += bytes
    else {
      aloneBytes += bytes
      aloneCount++
    }
  }
  return { aloneBytes, aloneCount, sharedBytes }
}
