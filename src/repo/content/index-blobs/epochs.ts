import { EpochManager } from '#repo/content/epoch/manager.ts'
import type { ActiveIndexBlobs, IndexBlobContext, WrittenIndex } from './context.ts'
import type { IndexBlobManager, IndexCompaction } from './manager.ts'

/** The epoch scheme seen as an index blob manager (spec 02, 4.3). */
export class EpochIndexBlobs implements IndexBlobManager {
  readonly epochs: EpochManager

  constructor(context: IndexBlobContext) {
    this.epochs = new EpochManager(context)
  }

  activeSet(): Promise<ActiveIndexBlobs> {
    return this.epochs.activeSet()
  }

  write(shards: readonly Buffer[], sessionId: string): Promise<WrittenIndex[]> {
    return this.epochs.writeIndexes(shards, sessionId)
  }

  /** Moves the deletion watermark, nothing else (spec 02, 4.3.8). */
  async compact(options: IndexCompaction): Promise<void> {
    if (options.dropDeletedBeforeSeconds !== undefined) await this.epochs.advanceDeletionWatermark(options.dropDeletedBeforeSeconds)
  }

  invalidate(): void {
    this.epochs.invalidate()
  }
}
