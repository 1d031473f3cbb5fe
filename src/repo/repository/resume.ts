import { mapLimited } from '#base/limit.ts'
import type { BlobInfo } from '#repo/blob/storage.ts'
import type { ContentInfo } from '#repo/content/content-info.ts'
import { recoverIndex } from '#repo/content/recover.ts'
import { listSessions, type SessionInfo, sessionIdOf } from '#repo/content/session-list.ts'
import type { DirectRepository } from './repository.ts'

/** Pack collection spares packs younger than 24 hours (spec 02, 7.3); what is older could be deleted while we take it over. */
const maxAgeNs = 12n * 3600n * 1_000_000_000n
const packsAtOnce = 4

/** Takes over what an earlier run of this client had uploaded when it was killed: contents in finished packs that no index names yet.
 *  They become permanent with the next flush. Manifests are left alone: theirs may name contents that never arrived. Returns how many
 *  contents were new. Packs that cannot be read are passed over. Throws the storage's errors. Source: spec 02, 2.6 and 7.4. */
export async function resumeAbandonedSessions(repository: DirectRepository): Promise<number> {
  const { contents, client, blobs, cipher } = repository
  if (client.readOnly || !contents.adopt) return 0
  const abandoned = new Set((await ownSessions(repository)).map((s) => s.id))
  if (abandoned.size === 0) return 0
  const packs: BlobInfo[] = []
  for (const kind of ['p', 'q'])
    for await (const blob of blobs.list(kind)) {
      const session = sessionIdOf(blob.id)
      if (session !== undefined && abandoned.has(session)) packs.push(blob)
    }
  const found = await mapLimited(packs, packsAtOnce, ({ id, sizeBytes }) => recoverIndex(blobs, cipher, id, sizeBytes).catch(() => []))
  return contents.adopt(found.flat().filter(isWorthKeeping))
}

async function ownSessions({ blobs, cipher, client, clock }: DirectRepository): Promise<SessionInfo[]> {
  // Other clients' sessions are theirs to go on with. A damaged marker is a matter of maintenance, not of this snapshot.
  const sessions = await listSessions(blobs, cipher).catch(() => new Map<string, SessionInfo>())
  const { username, hostname } = client
  return [...sessions.values()].filter(
    (s) => s.username === username && s.hostname === hostname && clock.nowNs() - s.checkpointTimeNs < maxAgeNs,
  )
}

const isWorthKeeping = (record: ContentInfo): boolean => !record.deleted && !record.id.startsWith('m')
