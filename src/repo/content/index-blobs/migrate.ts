import type { BlobId, BlobStorage } from '#repo/blob/storage.ts'
import { mergeInto } from '#repo/content/epoch/compact.ts'
import { uncompactedOf } from '#repo/content/epoch/names.ts'
import type { IndexBlobContext } from './context.ts'
import { SealedIndexes } from './sealed-index.ts'
import { IndexBlobsV0 } from './v0.ts'

/** Blob that makes clients fail which know only the old scheme (spec 02, 4.4; spec 01, 1.14). */
export const poisonBlobId: BlobId = 'n00000000000000000000000000000000-repository_unreadable_by_this_kopia_version_upgrade_required'
const poisonBody = Buffer.from('The indexes of this repository have moved. Upgrade the program to read it.')

/** Moves the indexes of a repository without epochs into epoch 0, with the index version still in force. `storeFormat` writes the new
 *  format parameters (epochs on, index version 2, version >= 2) once the indexes are there. Old `n` blobs stay. Returns the new
 *  index blobs. Throws what reading the old indexes throws; then nothing has changed for readers. Source: spec 02, 4.4. */
export async function migrateIndexes(context: IndexBlobContext, storeFormat: () => Promise<void>): Promise<BlobId[]> {
  const { blobs } = await new IndexBlobsV0(context).activeSet()
  const written = blobs.length === 0 ? [] : await mergeInto(uncompactedOf(0), blobs, new SealedIndexes(context))
  await storeFormat()
  return written.map(({ id }) => id)
}

/** Makes clients fail which still hold the old format: they cannot load this index blob. */
export async function poisonOldClients(storage: BlobStorage): Promise<void> {
  await storage.put(poisonBlobId, [poisonBody])
}
