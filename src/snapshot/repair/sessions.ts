import { mapLimited } from '#base/limit.ts'
import type { BlobId, BlobInfo } from '#repo/blob/storage.ts'
import { recoverIndex } from '#repo/content/recover.ts'
import { readSessionMarker, SessionMarkerError, sessionIdOf } from '#repo/content/session-list.ts'
import { fullSafety } from '#repo/maintenance/safety.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { type Finding, keepCopy } from './finding.ts'

const packsAtOnce = 4

/** Markers of sessions that will not go on, and markers that cannot be read: the first keep rubbish in the repository, the second stop
 *  maintenance (spec 02, 2.6; spec 07, 7.6.9). Throws the storage's errors. */
export async function lookAtSessions(repository: DirectRepository, copies: string): Promise<Finding[]> {
  const { blobs: storage, clock } = repository
  const findings: Finding[] = []
  for await (const { id, modifiedMs } of storage.list('s')) {
    const isStale = clock.nowMs() - modifiedMs > fullSafety.sessionExpirationMs
    const isReadable = await isReadableMarker(repository, id)
    if (isReadable && !isStale) continue
    findings.push({
      kind: 'session',
      subject: id,
      problem: isReadable
        ? `a backup that began ${new Date(modifiedMs).toISOString()} has never ended: what it had uploaded is in no index`
        : 'the marker of a session cannot be read: maintenance stops at it',
      remedy: 'put what it had uploaded into the index, then remove the marker (a copy is kept)',
      mend: async () => {
        const session = sessionIdOf(id)
        const count = session === undefined ? 0 : await adoptPacksOf(repository, session)
        const copy = await keepCopy(storage, id, copies)
        await storage.delete(id)
        return `${count} contents were put into the index; the marker was removed, a copy is ${copy}`
      },
    })
  }
  return findings
}

async function isReadableMarker({ blobs, cipher }: DirectRepository, marker: BlobId): Promise<boolean> {
  try {
    await readSessionMarker(blobs, cipher, marker)
    return true
  } catch (error) {
    if (error instanceof SessionMarkerError) return false
    throw error
  }
}

/** Contents of the session's packs that no index names. Manifests are left alone: theirs may name contents that never arrived. */
async function adoptPacksOf(repository: DirectRepository, session: string): Promise<number> {
  const { blobs, cipher, contents } = repository
  const packs: BlobInfo[] = []
  for (const kind of ['p', 'q']) for await (const blob of blobs.list(kind)) if (sessionIdOf(blob.id) === session) packs.push(blob)
  const found = await mapLimited(packs, packsAtOnce, ({ id, sizeBytes }) => recoverIndex(blobs, cipher, id, sizeBytes).catch(() => []))
  const count = contents.adopt?.(found.flat().filter(({ id, deleted }) => !deleted && !id.startsWith('m'))) ?? 0
  await repository.flush()
  return count
}
