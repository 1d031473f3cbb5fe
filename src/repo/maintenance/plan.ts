import type { Safety } from './safety.ts'
import type { MaintenanceSchedule, TaskRun } from './schedule.ts'

/** A task by its name in the schedule, and what it takes to run it (spec 07, 7.6.7). */
export type PlannedTask =
  | { readonly task: 'quick-rewrite-contents' | 'full-rewrite-contents'; readonly kind: 'rewrite'; readonly packPrefix: string }
  | { readonly task: 'quick-delete-blobs' | 'full-delete-blobs'; readonly kind: 'delete-packs'; readonly prefixes: readonly string[] }
  | { readonly task: 'full-drop-deleted-content'; readonly kind: 'drop'; readonly beforeMs: number }
  | { readonly task: 'index-compaction'; readonly kind: 'compact' }
  | { readonly task: 'extend-blob-retention-time'; readonly kind: 'extend-locks' }
  | { readonly task: 'compact-single-epoch'; readonly kind: 'single-epoch' }
  | { readonly task: 'advance-epoch'; readonly kind: 'advance' }
  | { readonly task: 'generate-epoch-range-index'; readonly kind: 'range' }
  | { readonly task: 'cleanup-epoch-markers'; readonly kind: 'markers' }
  | { readonly task: 'delete-superseded-epoch-indexes'; readonly kind: 'superseded' }
  | { readonly task: 'cleanup-logs'; readonly kind: 'logs' }

export interface PlanRequest {
  readonly mode: 'quick' | 'full'
  readonly usesEpochs: boolean
  readonly extendObjectLocks: boolean
  /** With the snapshot garbage collection of this very cycle. */
  readonly schedule: MaintenanceSchedule
  readonly safety: Safety
  /** Local clock. */
  readonly nowMs: number
}

/** Tasks of a cycle in their order, snapshot garbage collection excepted. Pure. Source: spec 07, 7.6.7. */
export function planCycle(request: PlanRequest): PlannedTask[] {
  if (request.mode === 'full') return planFull(request)
  return request.usesEpochs
    ? [
        { task: 'compact-single-epoch', kind: 'single-epoch' },
        { task: 'advance-epoch', kind: 'advance' },
      ]
    : planQuickV0(request)
}

function planQuickV0(request: PlanRequest): PlannedTask[] {
  const { schedule } = request
  const quickRewriteMs = lastEndMs(schedule, ['quick-rewrite-contents'])
  const fullRewriteMs = lastEndMs(schedule, ['full-rewrite-contents'])
  const rewrites = isRewriteAllowed(request, Math.max(quickRewriteMs, fullRewriteMs))
  const tasks: PlannedTask[] = []
  if (rewrites) tasks.push({ task: 'quick-rewrite-contents', kind: 'rewrite', packPrefix: 'q' })
  if (isDeletionAllowed(request, rewrites)) {
    // A quick rewrite of this cycle is the latest one.
    const full = !rewrites && fullRewriteMs >= quickRewriteMs
    tasks.push(full ? fullDeletion : { task: 'quick-delete-blobs', kind: 'delete-packs', prefixes: ['q'] })
  }
  tasks.push({ task: 'index-compaction', kind: 'compact' }, { task: 'cleanup-logs', kind: 'logs' })
  return tasks
}

const fullDeletion: PlannedTask = { task: 'full-delete-blobs', kind: 'delete-packs', prefixes: ['p', 'q', 's'] }

function planFull(request: PlanRequest): PlannedTask[] {
  const { schedule, usesEpochs, extendObjectLocks } = request
  const rewrites = isRewriteAllowed(request, lastEndMs(schedule, ['full-rewrite-contents']))
  const beforeMs = safeDropTimeMs(request)
  const tasks: PlannedTask[] = []
  if (rewrites) tasks.push({ task: 'full-rewrite-contents', kind: 'rewrite', packPrefix: '' })
  if (beforeMs !== undefined) tasks.push({ task: 'full-drop-deleted-content', kind: 'drop', beforeMs })
  if (isDeletionAllowed(request, rewrites)) tasks.push(fullDeletion)
  if (extendObjectLocks) tasks.push({ task: 'extend-blob-retention-time', kind: 'extend-locks' })
  if (usesEpochs)
    tasks.push(
      { task: 'compact-single-epoch', kind: 'single-epoch' },
      { task: 'advance-epoch', kind: 'advance' },
      { task: 'generate-epoch-range-index', kind: 'range' },
      { task: 'cleanup-epoch-markers', kind: 'markers' },
      { task: 'delete-superseded-epoch-indexes', kind: 'superseded' },
    )
  tasks.push({ task: 'cleanup-logs', kind: 'logs' })
  return tasks
}

/** A rewrite waits until a deletion has removed what the one before has emptied. */
function isRewriteAllowed({ schedule, safety }: PlanRequest, lastRewriteMs: number): boolean {
  if (safety.rewriteToDeletionMs === 0 || lastRewriteMs === never) return true
  return lastEndMs(schedule, ['quick-delete-blobs', 'full-delete-blobs']) >= lastRewriteMs
}

function isDeletionAllowed({ schedule, safety, nowMs }: PlanRequest, rewritesNow: boolean): boolean {
  if (safety.rewriteToDeletionMs === 0) return true
  if (rewritesNow) return false
  return nowMs >= lastEndMs(schedule, ['quick-rewrite-contents', 'full-rewrite-contents']) + safety.rewriteToDeletionMs
}

/** Deletions before this may be dropped; undefined when there is no such time yet. Source: spec 07, 7.6.7. */
export function safeDropTimeMs({ schedule, safety, nowMs }: Pick<PlanRequest, 'schedule' | 'safety' | 'nowMs'>): number | undefined {
  if (!safety.requiresTwoGcCycles) return nowMs
  const runs = successes(schedule, 'snapshot-gc').toSorted((a, b) => (a.startNs > b.startNs ? -1 : 1))
  const latest = runs[0]
  if (!latest) return undefined
  const older = runs.slice(1).find((run) => msOf(latest.startNs) - msOf(run.endNs) > safety.gcMarginMs)
  return older && msOf(older.startNs) - safety.dropMarginMs
}

const never = Number.NEGATIVE_INFINITY
const msOf = (ns: bigint): number => Number(ns) / 1e6
const successes = ({ runs }: MaintenanceSchedule, task: string): TaskRun[] => (runs[task] ?? []).filter((run) => run.success)

const lastEndMs = (schedule: MaintenanceSchedule, tasks: readonly string[]): number =>
  Math.max(never, ...tasks.flatMap((task) => successes(schedule, task).map((run) => msOf(run.endNs))))
