import type { Repository } from '#repo/repository/repository.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { deleteSnapshot, listSnapshots } from '#snapshot/model/snapshots.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { applyRetention, type Retained } from '#snapshot/policy/retention.ts'
import { effectivePolicy } from '#snapshot/policy/store.ts'

/** All snapshots of a source with the rules that keep each, newest first. Source: spec 07, 7.3.5. */
export async function explainRetention(repository: Repository, source: SourceInfo): Promise<Retained<Snapshot>[]> {
  const [{ effective }, snapshots] = await Promise.all([
    effectivePolicy(repository, source),
    // A manifest that cannot be read is no candidate: what it holds is not known.
    listSnapshots(repository, { source, onDamaged: () => undefined }),
  ])
  return applyRetention(snapshots, effective.retention)
}

/** Snapshots of exactly this source that its retention policy no longer keeps, newest first. Nothing is deleted.
 *  Source: spec 07, 7.3.5. */
export async function planExpiry(repository: Repository, source: SourceInfo): Promise<Snapshot[]> {
  return (await explainRetention(repository, source)).filter((r) => r.isExpired).map((r) => r.snapshot)
}

/** Deletes what planExpiry finds, but for one that is still needed; returns what it deleted. Durable with the next flush. */
export async function expireSnapshots(repository: Repository, source: SourceInfo, neededId?: string): Promise<Snapshot[]> {
  const expired = (await planExpiry(repository, source)).filter(({ id }) => id !== neededId)
  for (const snapshot of expired) await deleteSnapshot(repository, snapshot.id)
  return expired
}
