import { mapLimited } from '#base/limit.ts'
import type { BlobInfo } from '#repo/blob/storage.ts'
import { invalidPackName } from '#repo/content/index/rows.ts'
import { listSessions, sessionIdOf } from '#repo/content/session-list.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { MaintenanceRefusedError } from './errors.ts'
import { requireWholeIndexes } from './indexes.ts'
import type { Safety } from './safety.ts'

const defaultListParallelism = 16
const deletesAtOnce = 16

export interface UnreferencedPacks {
  /** May go. */
  readonly deletable: readonly BlobInfo[]
  /** Unreferenced, but perhaps an index that names them is still to come. */
  readonly retained: readonly BlobInfo[]
}

export interface UnreferencedRequest {
  readonly prefixes: readonly string[]
  readonly safety: Safety
  /** By the storage's clock: what was stored later stays. */
  readonly cutoffMs: number
  /** 0 = our own choice. */
  readonly listParallelism: number
}

/** Blobs that no index names, session markers among them. The indexes are loaded after the listing, so that a pack is never seen before
 *  the index that names it. Throws MaintenanceRefusedError, SessionMarkerError and the storage's errors. Source: spec 07, 7.6.9. */
export async function findUnreferenced(repository: DirectRepository, request: UnreferencedRequest): Promise<UnreferencedPacks> {
  const { blobs: storage, contents, cipher } = repository
  const { safety, cutoffMs } = request
  const listed = await listPacks(repository, request)
  const sessions = await listSessions(storage, cipher)
  await contents.refresh()
  const { committed, pendingPacks } = requireWholeIndexes(contents)
  const used = committed.packNames()
  for (const pack of pendingPacks()) used.add(pack)
  if (used.has(invalidPackName))
    throw new MaintenanceRefusedError(
      'an index names a pack that cannot be told, so nobody knows which packs are in use; nothing was deleted. Run "kura index recover".',
    )
  const deletable: BlobInfo[] = []
  const retained: BlobInfo[] = []
  for (const blob of listed) {
    if (used.has(blob.id)) continue
    const session = sessions.get(sessionIdOf(blob.id) ?? '')
    const isYoung = blob.modifiedMs > cutoffMs || cutoffMs - blob.modifiedMs < safety.packDeleteMinAgeMs
    const isInSession = session !== undefined && cutoffMs - Number(session.checkpointTimeNs) / 1e6 < safety.sessionExpirationMs
    if (isYoung || isInSession) retained.push(blob)
    else deletable.push(blob)
  }
  return { deletable, retained }
}

async function listPacks({ blobs: storage }: DirectRepository, { prefixes, listParallelism }: UnreferencedRequest): Promise<BlobInfo[]> {
  const parallelism = listParallelism || defaultListParallelism
  // Names are random hexadecimal digits: parts of equal size.
  const parts = parallelism > prefixes.length ? prefixes.flatMap((p) => [...'0123456789abcdef'].map((digit) => p + digit)) : prefixes
  const lists = await mapLimited(parts, parallelism, async (prefix) => {
    const found: BlobInfo[] = []
    for await (const blob of storage.list(prefix)) found.push(blob)
    return found
  })
  return lists.flat()
}

/** Deletes blobs, several at a time. Throws the storage's first error. */
export async function deleteBlobs(
  { blobs: storage }: DirectRepository,
  blobs: readonly BlobInfo[],
  parallelism = deletesAtOnce,
): Promise<void> {
  await mapLimited(blobs, Math.max(1, parallelism), ({ id }) => storage.delete(id))
}
