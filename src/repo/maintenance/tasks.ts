import type { BlobInfo } from '#repo/blob/storage.ts'
import type { EpochManager } from '#repo/content/epoch/manager.ts'
import { verifyContents } from '#repo/content/verify.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { MaintenanceRefusedError } from './errors.ts'
import { requireWholeIndexes } from './indexes.ts'
import { extendObjectLocks } from './object-locks.ts'
import type { MaintenanceParameters } from './parameters.ts'
import type { PlannedTask } from './plan.ts'
import { rewriteContents, selectForRewrite } from './rewrite.ts'
import type { Safety } from './safety.ts'
import * as statistics from './statistics.ts'
import { logPrefix, planLogCleanup } from './stored-logs.ts'
import { deleteBlobs, findUnreferenced } from './unreferenced.ts'

/** Fewer small index blobs than this are not worth merging (spec 02, 4.2). */
const maxSmallBlobs = 8
const rewritesAtOnce = 8

export interface TaskContext {
  readonly repository: DirectRepository
  readonly parameters: MaintenanceParameters
  readonly safety: Safety
  /** Storage time of the schedule as it was written at the beginning. */
  readonly startedMs: number
  readonly warn: (message: string) => void
}

/** Tasks that do not touch contents are not checked before and after (spec 07, 7.6.7). */
const uncheckedKinds: ReadonlySet<PlannedTask['kind']> = new Set(['extend-locks', 'markers', 'logs'])

/** Runs one task of the plan. Throws whatever makes it fail. */
export async function runTask(context: TaskContext, planned: PlannedTask): Promise<statistics.TaskStatistics> {
  const percent = Number(process.env['KOPIA_MAINTENANCE_CONTENT_VERIFY_PERCENTAGE'] ?? '0')
  const isChecked = percent > 0 && !uncheckedKinds.has(planned.kind) && Math.random() * 100 < percent
  if (isChecked) await checkContents(context, `before ${planned.task}`)
  const result = await act(context, planned)
  if (isChecked) await checkContents(context, `after ${planned.task}`)
  return result
}

async function act(context: TaskContext, planned: PlannedTask): Promise<statistics.TaskStatistics> {
  const { repository, safety } = context
  switch (planned.kind) {
    case 'rewrite':
      return rewrite(context, planned.packPrefix)
    case 'delete-packs':
      return deletePacks(context, planned.prefixes)
    case 'drop':
      return drop(context, planned.beforeMs)
    case 'compact': {
      const options = { maxSmallBlobs, disableSafety: safety.skipsIndexSettling }
      await requireWholeIndexes(repository.contents).changeIndexes((indexes) => indexes.compact(options))
      return undefined
    }
    case 'extend-locks': {
      const extended = await extendObjectLocks(repository)
      return extended && statistics.lockStatistics(extended)
    }
    case 'single-epoch':
      return statistics.singleEpochStatistics(await onEpochs(context, (epochs) => epochs.compactSingleEpoch()))
    case 'advance':
      return statistics.advanceStatistics(await onEpochs(context, (epochs) => epochs.advanceIfDue()))
    case 'range':
      return statistics.rangeStatistics(await onEpochs(context, (epochs) => epochs.compactRange()))
    case 'markers':
      return statistics.markerStatistics(await onEpochs(context, (epochs) => epochs.cleanupMarkers()))
    case 'superseded':
      return statistics.supersededStatistics(await onEpochs(context, (epochs) => epochs.cleanupSuperseded()))
    case 'logs':
      return cleanUpLogs(context)
  }
}

async function rewrite({ repository, safety, warn }: TaskContext, packPrefix: string): Promise<statistics.TaskStatistics> {
  const { contents, format, clock } = repository
  const { committed } = requireWholeIndexes(contents)
  const tolerates = (process.env['KOPIA_IGNORE_MAINTENANCE_REWRITE_ERROR'] ?? '') !== ''
  const chosen = selectForRewrite(committed, format.maxPackSizeBytes, {
    packPrefix,
    shortPacks: true,
    // Without waiting periods they are dropped by this very cycle, and their packs with them.
    withoutDeleted: !safety.requiresTwoGcCycles,
  })
  const outcome = await rewriteContents(contents, chosen, {
    minAgeMs: safety.rewriteMinAgeMs,
    nowMs: clock.nowMs(),
    parallelism: rewritesAtOnce,
    ...(tolerates ? { onDeletedFailure: (id) => warn(`deleted content ${id} cannot be rewritten and is left where it is`) } : {}),
  })
  return statistics.rewriteStatistics(outcome)
}

async function deletePacks(context: TaskContext, prefixes: readonly string[]): Promise<statistics.TaskStatistics> {
  const { repository, safety, startedMs, parameters } = context
  const { listParallelism } = parameters
  const found = await findUnreferenced(repository, { prefixes, safety, cutoffMs: startedMs + 1000, listParallelism })
  await deleteBlobs(repository, found.deletable)
  return statistics.deletionStatistics(found)
}

/** Deleted records before the time become absent for good (spec 07, 7.6.10). */
async function drop({ repository, safety }: TaskContext, beforeMs: number): Promise<statistics.TaskStatistics> {
  await requireWholeIndexes(repository.contents).changeIndexes((indexes) =>
    indexes.compact({
      maxSmallBlobs: 1,
      allIndexes: true,
      dropDeletedBeforeSeconds: beforeMs / 1000,
      disableSafety: safety.skipsIndexSettling,
    }),
  )
  return statistics.dropStatistics(beforeMs)
}

function onEpochs<T>({ repository }: TaskContext, work: (epochs: EpochManager) => Promise<T>): Promise<T> {
  return requireWholeIndexes(repository.contents).changeIndexes((indexes) => {
    if (!indexes.epochs) throw new MaintenanceRefusedError('the repository no longer has epochs. Open it again.')
    return work(indexes.epochs)
  })
}

async function cleanUpLogs({ repository, parameters }: TaskContext): Promise<statistics.TaskStatistics> {
  const { blobs: storage, clock } = repository
  const found: BlobInfo[] = []
  for await (const blob of storage.list(logPrefix)) found.push(blob)
  const { kept, toDelete } = planLogCleanup(found, parameters.logRetention, clock.nowMs())
  await deleteBlobs(repository, toDelete)
  return statistics.logStatistics(statistics.amountOf(kept), statistics.amountOf(toDelete))
}

async function checkContents({ repository }: TaskContext, when: string): Promise<void> {
  const { contents, blobs } = repository
  let first = ''
  const result = await verifyContents(contents, blobs, {
    includeDeleted: true,
    onError: (id, message) => (first ||= `content ${id}: ${message}`),
  })
  if (result.errors > 0) throw new MaintenanceRefusedError(`${result.errors} contents cannot be counted on ${when}, first ${first}`)
}
