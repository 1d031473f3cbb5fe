import type { ContentStore, ContentUpkeep } from '#repo/content/store.ts'
import { MaintenanceRefusedError } from './errors.ts'

/** The indexes of a store, if they are all there. Throws MaintenanceRefusedError when index blobs are damaged: what only they name would be
 *  taken for rubbish. */
export function requireWholeIndexes({ upkeep, damagedIndexes }: ContentStore): ContentUpkeep {
  if (!upkeep) throw new MaintenanceRefusedError('this connection cannot change indexes. Connect to the storage itself.')
  const damaged = [...(damagedIndexes?.keys() ?? [])]
  if (damaged.length > 0)
    throw new MaintenanceRefusedError(
      `${damaged.length} index blob(s) cannot be read, ${damaged[0]} among them: what only they name would be lost. Run "kura index recover" first.`,
    )
  return upkeep
}
