import { StorageFullError } from '#repo/blob/errors.ts'
import type { BlobInfo } from '#repo/blob/storage.ts'
import type { ContentId } from '#repo/content/content-id.ts'
import { listSessions } from '#repo/content/session-list.ts'
import { requireWholeIndexes } from '#repo/maintenance/indexes.ts'
import type { Safety } from '#repo/maintenance/safety.ts'
import { logPrefix } from '#repo/maintenance/stored-logs.ts'
import { deleteBlobs, findUnreferenced } from '#repo/maintenance/unreferenced.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { everySnapshot } from './collect.ts'
import { LiveContents } from './live-contents.ts'

/** So much is enough to begin with: a few index blobs. */
const wantedBytes = 1 << 20
const manifestPrefix = 'm'.charCodeAt(0)

export interface RoomRequest {
  readonly safety: Safety
  /** Snapshots that are about to be deleted: what they alone need may go. */
  readonly doomed: readonly Snapshot[]
  /** Nobody else is connected: sessions that are still open were left behind. */
  readonly isAlone: boolean
  /** Hears what was given up. */
  readonly onFreed: (what: string, bytes: number) => void
}

/** Makes room on a storage that has none, without writing first: logs go, then packs that no index names; if there are none, a pack of which
 *  no snapshot that stays needs anything. False when there is nothing to give up. Throws the storage's errors. */
export async function makeRoom(repository: DirectRepository, request: RoomRequest): Promise<boolean> {
  const logs: BlobInfo[] = []
  for await (const blob of repository.blobs.list(logPrefix)) logs.push(blob)
  if (await give(repository, 'stored logs', oldestFirst(logs), request)) return true
  const cutoffMs = repository.clock.nowMs() + 1000
  const unreferenced = await findUnreferenced(repository, {
    prefixes: ['p', 'q', 's'],
    safety: request.safety,
    cutoffMs,
    listParallelism: 1,
  })
  if (await give(repository, 'packs that no index names', unreferenced.deletable, request)) return true
  // Without waiting periods only for whoever says that nobody else is there, or wants just that data to be gone.
  return request.isAlone || request.doomed.length > 0 ? giveDeadPacks(repository, request) : false
}

const oldestFirst = (blobs: BlobInfo[]): BlobInfo[] => blobs.sort((a, b) => a.modifiedMs - b.modifiedMs)

/** Deletes blobs until enough is free; false when there are none. */
async function give(repository: DirectRepository, what: string, blobs: readonly BlobInfo[], request: RoomRequest): Promise<boolean> {
  let bytes = 0
  for (const blob of blobs) {
    if (bytes >= wantedBytes) break
    await deleteBlobs(repository, [blob])
    bytes += blob.sizeBytes
  }
  if (bytes > 0) request.onFreed(what, bytes)
  return bytes > 0
}

/** Deletes a pack that only dead contents lie in and writes at once into the index that they are deleted, so that no client counts on them.
 *  Another client's session may be about to use them again: never while there is one. */
async function giveDeadPacks(repository: DirectRepository, request: RoomRequest): Promise<boolean> {
  const { blobs: storage, contents, cipher } = repository
  if (!request.isAlone && (await listSessions(storage, cipher)).size > 0) return false
  for (const { pack, ids } of await deadPacks(repository, request.doomed)) {
    const { sizeBytes } = await storage.stat(pack)
    await storage.delete(pack)
    try {
      for (const id of ids) await contents.delete(id)
      await contents.flush()
      request.onFreed(`a pack with ${ids.length} contents that no snapshot needs`, sizeBytes)
      return true
    } catch (error) {
      // It was too small, the next one must go too. What was marked so far waits in memory.
      if (!(error instanceof StorageFullError)) throw error
    }
  }
  return false
}

/** Packs of which nothing is needed, the smallest that are large enough first, then the others by size. */
async function deadPacks(
  repository: DirectRepository,
  doomed: readonly Snapshot[],
): Promise<{ readonly pack: string; readonly ids: readonly ContentId[] }[]> {
  const { committed, pendingPacks } = requireWholeIndexes(repository.contents)
  const live = new LiveContents(repository, committed)
  const gone = new Set(doomed.map(({ id }) => id))
  for (const snapshot of await everySnapshot(repository)) if (!gone.has(snapshot.id)) await live.mark(snapshot)
  const needed = new Set(pendingPacks())
  const bytes = new Map<string, number>()
  for (const { file, row } of committed.winners()) {
    const pack = file.packAt(row)
    // By the ID: the winner of two equal records may be the other one.
    if (file.keyAt(row)[0] === manifestPrefix || live.has(committed.slotOf(file.idAt(row)))) needed.add(pack)
    else bytes.set(pack, (bytes.get(pack) ?? 0) + file.packedLengthAt(row))
  }
  const dead = [...bytes].filter(([pack]) => !needed.has(pack))
  const ids = new Map<string, ContentId[]>(dead.map(([pack]) => [pack, []]))
  for (const { file, row } of committed.winners()) ids.get(file.packAt(row))?.push(file.idAt(row))
  const rank = (size: number): number => (size >= wantedBytes ? size - Number.MAX_SAFE_INTEGER : -size)
  return dead.sort(([, a], [, b]) => rank(a) - rank(b)).map(([pack]) => ({ pack, ids: ids.get(pack) ?? [] }))
}
