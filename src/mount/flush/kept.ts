import type { Repository } from '#repo/repository/repository.ts'
import { parseSource } from '#snapshot/model/source-text.ts'
import { lowerTree } from '../backup/lower-tree.ts'
import { spoolSecret } from '../backup/spool-secret.ts'
import { overlayNode } from '../node-ranges.ts'
import type { StagingReport } from '../staging/inspect.ts'
import { openStaging } from '../staging/open.ts'
import type { Staging } from '../staging/staging.ts'
import { type FlushOptions, type FlushProgress, type FlushResult, flushToSnapshot } from './snapshot.ts'

const maxCachedBytes = 64 << 20
const timeoutMs = 60_000

export interface KeptOptions extends Pick<FlushOptions, 'keepRubbish' | 'actions'> {
  /** As the mount has it: a staging area is never flushed into another repository. */
  readonly repositoryId: string
  readonly rebase: boolean
  readonly takeOver: boolean
  /** Told one line for each thing that a person should know. */
  readonly warn: (line: string) => void
}

/** Opens a staging area without a mount, with the options that it was made with. StagingError when it is mounted, or belongs to another
 *  repository or machine. */
export async function openKept(
  repository: Repository,
  report: StagingReport,
  { repositoryId, takeOver, warn }: Pick<KeptOptions, 'repositoryId' | 'takeOver' | 'warn'>,
): Promise<Staging> {
  return openStaging(
    {
      directory: report.directory,
      repositoryId,
      source: report.source,
      lower: undefined,
      xattrs: report.xattrs === 'stage' ? 'stage' : 'refuse',
      spoolLimitBytes: Number.MAX_SAFE_INTEGER,
      spoolReserveBytes: 0,
      owner: { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 },
      takeOver,
      secret: spoolSecret(repository),
      firstNode: overlayNode(0),
      nowNs: () => repository.clock.nowNs(),
      warn,
    },
    lowerTree(repository, { maxCachedBytes, timeoutMs }),
  )
}

/** Turns what is staged into a snapshot without a mount. Errors: of openKept and of flushToSnapshot; then all stays as it was.
 *  Source: spec 08, 4.10. */
export async function flushKept(
  repository: Repository,
  report: StagingReport,
  options: KeptOptions,
  progress: FlushProgress = {},
  signal?: AbortSignal,
): Promise<FlushResult> {
  const staging = await openKept(repository, report, options)
  try {
    const { username: user, hostname: host } = repository.client
    const { keepRubbish, rebase, actions, warn } = options
    const flush: FlushOptions = {
      source: parseSource(report.source, { user, host }),
      description: '',
      tags: {},
      pins: [],
      keepIdentical: false,
      lowerId: staging.lower?.snapshotId,
      keepRubbish,
      rebase,
      actions,
      note: warn,
    }
    return await flushToSnapshot(repository, staging.freeze(), flush, progress, signal)
  } finally {
    await staging.close()
  }
}
