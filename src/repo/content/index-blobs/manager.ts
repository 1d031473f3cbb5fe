import type { ContentId } from '#repo/content/content-id.ts'
import type { EpochManager } from '#repo/content/epoch/manager.ts'
import type { ActiveIndexBlobs, WrittenIndex } from './context.ts'

/** Options of spec 02, 4.2. With epochs only dropDeletedBeforeSeconds acts. */
export interface IndexCompaction {
  /** Fewer small blobs than this are left alone. */
  readonly maxSmallBlobs: number
  readonly allIndexes?: boolean
  /** Deleted records with an earlier timestamp (unix seconds) are dropped; with epochs: becomes the deletion watermark. */
  readonly dropDeletedBeforeSeconds?: number
  readonly dropContents?: ReadonlySet<ContentId>
  /** Without the hour that superseded blobs stay: correct only with no other client running. */
  readonly disableSafety?: boolean
}

/** What both schemes of naming and replacing index blobs offer (spec 02, section 4). */
export interface IndexBlobManager {
  /** Present in the epoch scheme: what its maintenance calls. */
  readonly epochs: EpochManager | undefined
  activeSet(): Promise<ActiveIndexBlobs>
  /** Stores index files as blobs of one session. Throws SlowIndexWriteError when it took too long (epochs): nothing is stored then. */
  write(shards: readonly Buffer[], sessionId: string): Promise<WrittenIndex[]>
  /** Maintenance owner only. */
  compact(options: IndexCompaction): Promise<void>
  /** Forgets what was seen of the storage. */
  invalidate(): void
}
