import type { Clock } from '#base/clock.ts'
import { goJson } from '#base/go-json.ts'
import { formatTimeNs } from '#base/time.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import type { Cipher, Hasher } from '#repo/crypto/algorithms.ts'
import { sealBlob } from '#repo/crypto/blob-sealing.ts'
import { ClockSkewError } from './errors.ts'

const baseMs = Date.UTC(2000, 0, 1)
const monthMs = 30 * 24 * 3_600_000
const maxClockSkewMs = 5 * 60_000

export interface Session {
  readonly id: string
  /** Marker blobs to delete once the session's index blobs are stored. */
  readonly markers: readonly string[]
}

export interface SessionParts {
  readonly storage: BlobStorage
  readonly hasher: Hasher
  readonly cipher: Cipher
  readonly clock: Clock
  readonly random: (sizeBytes: number) => Buffer
  readonly client: { readonly username: string; readonly hostname: string }
}

/** `s` || 16 random hex digits || hex number of the 30-day month since 2000. Source: spec 02, 2.6. */
export function newSessionId(nowMs: number, random: (sizeBytes: number) => Buffer): string {
  return `s${random(8).toString('hex')}${Math.floor((nowMs - baseMs) / monthMs).toString(16)}`
}

/** Plaintext of a session marker. Source: spec 02, 2.6. */
export function sessionMarkerJson(id: string, nowNs: bigint, client: { readonly username: string; readonly hostname: string }): string {
  const time = formatTimeNs(nowNs)
  return goJson({ id, startTime: time, checkpointTime: time, username: client.username, hostname: client.hostname })
}

/** Writes the marker of a new session, before any of its packs. Throws the storage's errors, and ClockSkewError when the check is asked
 *  for by KOPIA_ENABLE_CLOCK_SKEW_CHECK. Source: spec 02, 2.6. */
export async function openSession(parts: SessionParts): Promise<Session> {
  const { storage, hasher, cipher, clock } = parts
  const id = newSessionId(clock.nowMs(), parts.random)
  const json = Buffer.from(sessionMarkerJson(id, clock.nowNs(), parts.client))
  const sealed = await sealBlob(hasher, cipher, 's', json, id)
  const written = await storage.put(sealed.id, [sealed.data])
  const skewMs = written.modifiedMs - clock.nowMs()
  if (isClockChecked() && Math.abs(skewMs) > maxClockSkewMs)
    throw new ClockSkewError(
      `the clock of this computer and that of ${storage.displayName} differ by ${Math.round(Math.abs(skewMs) / 1000)} s. Set the clock before writing.`,
    )
  return { id, markers: [sealed.id] }
}

function isClockChecked(): boolean {
  const value = process.env['KOPIA_ENABLE_CLOCK_SKEW_CHECK']
  return value !== undefined && value !== '' && !/^(0|f|false)$/i.test(value)
}
