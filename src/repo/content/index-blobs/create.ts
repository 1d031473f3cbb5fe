import type { IndexBlobContext } from './context.ts'
import { EpochIndexBlobs } from './epochs.ts'
import type { IndexBlobManager } from './manager.ts'
import { IndexBlobsV0 } from './v0.ts'

/** The scheme that the repository's format asks for (spec 02, 4.1). A client uses exactly one; blobs of the other are ignored. */
export function createIndexBlobManager(context: IndexBlobContext): IndexBlobManager {
  return context.format.epochs.enabled ? new EpochIndexBlobs(context) : new IndexBlobsV0(context)
}
