import { mapLimited } from '#base/limit.ts'
import type { BlobId, BlobReader } from '#repo/blob/storage.ts'
import type { Cipher } from '#repo/crypto/algorithms.ts'
import type { ContentInfo } from './content-info.ts'
import { recoverIndex } from './recover.ts'

export interface RecoverRequest {
  readonly storage: BlobReader
  readonly cipher: Cipher
  /** Packs to look at; empty: every blob with one of `prefixes`. */
  readonly packs: readonly BlobId[]
  readonly prefixes: readonly string[]
  readonly parallel: number
  /** Takes over the records of one pack; called one pack at a time. */
  readonly adopt: (records: readonly ContentInfo[]) => void
  /** Told of a pack whose recovery index cannot be read; throws to stop. */
  readonly onDamaged: (pack: BlobId, error: unknown) => void
}

/** Reads the recovery index of each pack. Returns how many packs and records there were. Throws the storage's errors.
 *  Source: spec 02, 7.4. */
export async function recoverIndexes(request: RecoverRequest): Promise<{ readonly packCount: number; readonly recordCount: number }> {
  let packCount = 0
  let recordCount = 0
  await mapLimited(packsOf(request), Math.max(1, request.parallel), async ({ id, sizeBytes }) => {
    try {
      const records = await recoverIndex(request.storage, request.cipher, id, sizeBytes)
      request.adopt(records)
      packCount++
      recordCount += records.length
    } catch (error) {
      request.onDamaged(id, error)
    }
  })
  return { packCount, recordCount }
}

async function* packsOf({ storage, packs, prefixes }: RecoverRequest): AsyncIterable<{ id: BlobId; sizeBytes: number }> {
  if (packs.length > 0) for (const id of packs) yield storage.stat(id)
  else for (const prefix of prefixes) yield* storage.list(prefix)
}
