import { messageOf } from '#base/errors.ts'
import { mapLimited } from '#base/limit.ts'
import type { BlobInfo } from '#repo/blob/storage.ts'
import { lockedPrefixes } from '#repo/blob/wrap/retention.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { MaintenanceRefusedError } from './errors.ts'

const extendedAtOnce = 16

export interface ExtendedLocks {
  readonly toExtend: number
  readonly extended: number
  readonly periodNs: bigint
}

/** Sets the retention of all packs, indexes and central blobs to now + period; undefined when the repository has no retention. Tries all,
 *  then throws MaintenanceRefusedError if any failed. Source: spec 07, 7.6.12. */
export async function extendObjectLocks({ blobs: storage, retention }: DirectRepository): Promise<ExtendedLocks | undefined> {
  const { mode, periodNs } = retention
  if (mode === '' || periodNs <= 0n) return undefined
  const { extendRetention } = storage.extras
  if (!extendRetention) throw new MaintenanceRefusedError(`${storage.displayName} cannot extend object locks. Switch that off.`)
  const blobs: BlobInfo[] = []
  for (const prefix of lockedPrefixes) for await (const blob of storage.list(prefix)) blobs.push(blob)
  const failures: string[] = []
  await mapLimited(blobs, extendedAtOnce, ({ id }) =>
    extendRetention(id, mode, periodNs).catch((error: unknown) => void failures.push(`${id}: ${messageOf(error)}`)),
  )
  if (failures.length > 0)
    throw new MaintenanceRefusedError(`the locks of ${failures.length} of ${blobs.length} blobs were not extended, first ${failures[0]}`)
  return { toExtend: blobs.length, extended: blobs.length, periodNs }
}
