import { KuraError } from '#base/errors.ts'
import { asObject, stringOf } from '#base/json-read.ts'
import { mapLimited } from '#base/limit.ts'
import { parseTimeNs } from '#base/time.ts'
import { BlobNotFoundError } from '#repo/blob/errors.ts'
import type { BlobId, BlobReader } from '#repo/blob/storage.ts'
import type { Cipher } from '#repo/crypto/algorithms.ts'
import { openBlob } from '#repo/crypto/blob-sealing.ts'

const readParallelism = 5

/** A session marker that cannot be read, or a blob that only looks like one. */
export class SessionMarkerError extends KuraError {
  readonly code = 'SESSION_MARKER'
}

/** An open session as its newest marker tells it (spec 02, 2.6). */
export interface SessionInfo {
  readonly id: string
  readonly startTimeNs: bigint
  readonly checkpointTimeNs: bigint
  readonly username: string
  readonly hostname: string
}

/** Session ID in a blob name: the first part behind the first `-` that starts with `s`; undefined when there is none. Source: spec 02, 2.6. */
export function sessionIdOf(blob: BlobId): string | undefined {
  return blob
    .split('-')
    .slice(1)
    .find((part) => part.startsWith('s'))
}

/** The open sessions, newest marker of each. A marker that vanishes meanwhile is skipped. Throws SessionMarkerError for one that cannot be
 *  read, and the storage's errors. Source: spec 02, 2.6. */
export async function listSessions(storage: BlobReader, cipher: Cipher): Promise<Map<string, SessionInfo>> {
  const markers = await mapLimited(storage.list('s'), readParallelism, ({ id }) => readSessionMarker(storage, cipher, id))
  const sessions = new Map<string, SessionInfo>()
  for (const marker of markers) {
    if (!marker) continue
    const other = sessions.get(marker.id)
    if (!other || marker.checkpointTimeNs > other.checkpointTimeNs) sessions.set(marker.id, marker)
  }
  return sessions
}

/** What one marker says; undefined when it has vanished. Throws SessionMarkerError, and the storage's errors. */
export async function readSessionMarker(storage: BlobReader, cipher: Cipher, blob: BlobId): Promise<SessionInfo | undefined> {
  const session = sessionIdOf(blob)
  if (session === undefined) throw new SessionMarkerError(`blob ${blob} names no session. Delete it if no backup is running.`)
  try {
    const json = asObject(JSON.parse(openBlob(cipher, blob, await storage.get(blob)).toString()), 'the session marker')
    const text = (key: string): string => stringOf(json, key, 'the session marker')
    return {
      id: session,
      startTimeNs: parseTimeNs(text('startTime')),
      checkpointTimeNs: parseTimeNs(text('checkpointTime')),
      username: text('username'),
      hostname: text('hostname'),
    }
  } catch (error) {
    if (error instanceof BlobNotFoundError) return undefined
    throw new SessionMarkerError(`session marker ${blob} cannot be read. Delete it if no backup is running.`, { cause: error })
  }
}
