import type { JsonValue } from '#base/go-json.ts'
import { requireWholeIndexes } from '#repo/maintenance/indexes.ts'
import type { Amount } from '#repo/maintenance/rewrite.ts'
import type { Safety } from '#repo/maintenance/safety.ts'
import { type GarbageStatistics, garbageStatistics } from '#repo/maintenance/statistics.ts'
import { openManifestStore } from '#repo/manifest/store.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { listSnapshots } from '#snapshot/model/snapshots.ts'
import { LiveContents } from './live-contents.ts'

const flushEvery = 100_000
const manifestPrefix = 'm'.charCodeAt(0)

/** Marks contents that no snapshot needs as deleted, and takes deletion marks off those that one needs after all. Durable when it resolves.
 *  Throws UnreadableTreeError and SnapshotFormatError before anything is marked. Source: spec 07, 7.6.6. */
export async function collectGarbage(
  repository: DirectRepository,
  { startedMs, safety }: { readonly startedMs: number; readonly safety: Safety },
): Promise<JsonValue> {
  const { contents } = repository
  const { committed } = requireWholeIndexes(contents)
  const live = new LiveContents(repository, committed)
  for (const snapshot of await everySnapshot(repository)) await live.mark(snapshot)
  const found = noGarbage()
  let changes = 0
  for (const { slot, file, row } of committed.winners()) {
    const bytes = file.packedLengthAt(row)
    if (file.keyAt(row)[0] === manifestPrefix) {
      add(found.inUseSystem, bytes)
      continue
    }
    const deleted = file.deletedAt(row)
    if (isLive(live, slot, () => file.idAt(row))) {
      add(found.inUse, bytes)
      if (!deleted) continue
      await contents.undelete(file.idAt(row))
      add(found.recovered, bytes)
    } else if (startedMs - file.timestampAt(row) * 1000 < safety.minContentAgeMs) {
      add(found.unreferencedRecent, bytes)
      continue
    } else {
      add(found.unreferenced, bytes)
      if (deleted) continue
      await contents.delete(file.idAt(row))
      add(found.deleted, bytes)
    }
    if (++changes % flushEvery === 0) await contents.flush()
  }
  await contents.flush()
  return garbageStatistics(found)
}

/** Two records of a content may be the same in all that counts: then the other one may have been marked. */
function isLive(live: LiveContents, slot: number, id: () => Parameters<LiveContents['set']['slotOf']>[0]): boolean {
  if (live.has(slot)) return true
  const other = live.set.slotOf(id())
  return other !== slot && other >= 0 && live.has(other)
}

/** All snapshots. Manifests that are left out elsewhere (KOPIA_IGNORE_MALFORMED_MANIFEST_CONTENTS) are errors here: nobody knows what they need. */
export async function everySnapshot(repository: DirectRepository): Promise<Snapshot[]> {
  const { contents, clock } = repository
  const manifests = openManifestStore({ contents, clock, readOnly: true, ignoreMalformed: false })
  return listSnapshots(Object.create(repository, { manifests: { value: manifests } }) as DirectRepository)
}

const noGarbage = (): GarbageStatistics => ({
  unreferenced: { count: 0, bytes: 0 },
  deleted: { count: 0, bytes: 0 },
  unreferencedRecent: { count: 0, bytes: 0 },
  inUse: { count: 0, bytes: 0 },
  inUseSystem: { count: 0, bytes: 0 },
  recovered: { count: 0, bytes: 0 },
})

function add(amount: Amount, bytes: number): void {
  amount.count++
  amount.bytes += bytes
}
