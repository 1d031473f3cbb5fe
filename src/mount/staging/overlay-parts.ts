import type { Journal, JournalHeader } from './journal.ts'
import type { Spool } from './spool.ts'
import type { LowerTree, Staging, StagingOptions } from './staging.ts'
import type { StagingTree } from './tree.ts'

/** What an overlay is made of: its tree, what is on disk of it, and what it stands on. */
export interface OverlayParts {
  readonly tree: StagingTree
  readonly journal: Journal
  readonly spool: Spool
  readonly lowerTree: LowerTree
  readonly options: StagingOptions
  readonly lower: Staging['lower']
  /** Gives the lock back. */
  readonly release: () => void
  readonly header: JournalHeader
}
