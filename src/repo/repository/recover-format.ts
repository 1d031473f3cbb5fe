import { KuraError } from '#base/errors.ts'
import { BlobNotFoundError } from '#repo/blob/errors.ts'
import type { BlobId, BlobStorage } from '#repo/blob/storage.ts'
import { recoverFormatBlob, recoveryBytes } from '#repo/format/embedded-copy.ts'
import { formatBlobId, parseFormatBlob } from '#repo/format/format-blob.ts'

/** No blob holds a copy of the format blob. */
export class NoFormatCopyError extends KuraError {
  readonly code = 'NO_FORMAT_COPY'
}

export interface FormatRecovery {
  /** `auto`: only when the format blob is missing. `no`: not at all. */
  readonly mode: 'auto' | 'yes' | 'no'
  /** Blobs to look into, by the beginnings of their IDs; none = packs. */
  readonly prefixes: readonly string[]
  /** Look, but write nothing. */
  readonly dryRun: boolean
  readonly say?: (line: string) => void
}

export type RecoveryOutcome = 'not wanted' | 'not needed' | 'found' | 'written'

/** Puts a missing format blob back from the copy that packs of old repositories carry. Throws NoFormatCopyError, and the storage's errors.
 *  Source: spec 01, 1.11. */
export async function recoverFormat(storage: BlobStorage, recovery: FormatRecovery): Promise<RecoveryOutcome> {
  if (recovery.mode === 'no') return 'not wanted'
  if (recovery.mode === 'auto' && (await exists(storage))) return 'not needed'
  const prefixes = recovery.prefixes.length > 0 ? recovery.prefixes : ['p', 'q']
  const found = await findCopy(storage, prefixes, recovery.say)
  if (!found)
    throw new NoFormatCopyError(
      `no blob in ${storage.displayName} holds a copy of ${formatBlobId}: only packs of repositories of format version 1 do. Restore it from a backup or a mirror.`,
    )
  recovery.say?.(`found a copy of ${formatBlobId} in ${found.blob}`)
  if (recovery.dryRun) return 'found'
  await storage.put(formatBlobId, [found.copy])
  return 'written'
}

async function exists(storage: BlobStorage): Promise<boolean> {
  try {
    await storage.stat(formatBlobId)
    return true
  } catch (error) {
    if (error instanceof BlobNotFoundError) return false
    throw error
  }
}

async function findCopy(
  storage: BlobStorage,
  prefixes: readonly string[],
  say: (line: string) => void = () => undefined,
): Promise<{ readonly blob: BlobId; readonly copy: Buffer } | undefined> {
  for (const prefix of prefixes) {
    say(`looking for a copy of ${formatBlobId} in blobs that begin with ${JSON.stringify(prefix)}`)
    for await (const { id, sizeBytes } of storage.list(prefix)) {
      const copy = await copyIn(storage, id, sizeBytes)
      if (copy) return { blob: id, copy }
    }
  }
  return undefined
}

async function copyIn(storage: BlobStorage, id: BlobId, sizeBytes: number): Promise<Buffer | undefined> {
  const length = Math.min(recoveryBytes, sizeBytes)
  if (length <= 4) return undefined
  try {
    const first = await storage.get(id, { offset: 0, length })
    const copy =
      recoverFormatBlob(first, Buffer.alloc(0)) ??
      recoverFormatBlob(Buffer.alloc(0), await storage.get(id, { offset: sizeBytes - length, length }))
    return copy && isFormatBlob(copy) ? copy : undefined
  } catch (error) {
    // Somebody deleted it meanwhile.
    if (error instanceof BlobNotFoundError) return undefined
    throw error
  }
}

/** The checksum of copies has no secret: anything could be in there. */
function isFormatBlob(copy: Buffer): boolean {
  try {
    parseFormatBlob(copy)
    return true
  } catch (error) {
    if (error instanceof KuraError) return false
    throw error
  }
}
