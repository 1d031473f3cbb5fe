import type { FinishedTask, MaintenanceOutcome } from '#repo/maintenance/run.ts'
import type { TaskStatistics } from '#repo/maintenance/statistics.ts'
import type { SizePrinter } from './sizes.ts'

type Data = Readonly<Record<string, unknown>>

/** Statistics of one kind from a finished task; empty when it did nothing. */
function dataOf(statistics: TaskStatistics): Data {
  const { data } = (statistics ?? {}) as { readonly data?: unknown }
  return typeof data === 'object' && data !== null ? (data as Data) : {}
}

const number = (data: Data, key: string): number => Number(data[key] ?? 0)

/** The five counters of a garbage collection (spec 06, 13.1). */
export function garbageLines(statistics: TaskStatistics, sizes: SizePrinter): string[] {
  const data = dataOf(statistics)
  const amount = (name: string): string => `${number(data, `${name}ContentCount`)}`
  const bytes = (name: string): string => sizes.bytes(number(data, `${name}ContentSize`))
  return [
    `GC found ${amount('unreferenced')} unused contents (${bytes('unreferenced')})`,
    `GC found ${amount('unreferencedRecent')} unused contents that are too recent to delete (${bytes('unreferencedRecent')})`,
    `GC found ${amount('inUse')} in-use contents (${bytes('inUse')})`,
    `GC found ${amount('inUseSystem')} in-use system-contents (${bytes('inUseSystem')})`,
    `GC undeleted ${amount('recovered')} contents (${bytes('recovered')})`,
  ]
}

/** How much space a cycle has freed, what holds the rest, and when that comes back. */
export function describeSpace({ mode, tasks }: MaintenanceOutcome, sizes: SizePrinter): string[] {
  const data = new Map(tasks.map(({ task, statistics }: FinishedTask) => [task, dataOf(statistics)]))
  const of = (task: string, key: string): number => number(data.get(task) ?? {}, key)
  const sum = (key: string, ...names: string[]): number => names.reduce((total, task) => total + of(task, key), 0)
  const packTasks = ['quick-delete-blobs', 'full-delete-blobs']
  const freed = sum('deletedTotalSize', ...packTasks, 'delete-superseded-epoch-indexes') + of('cleanup-logs', 'deletedBlobSize')
  const lines = [`Freed ${sizes.bytes(freed)}.`]
  const retained = sum('retainedTotalSize', ...packTasks)
  if (retained > 0)
    lines.push(
      `${sizes.bytes(retained)} in ${sum('retainedPackCount', ...packTasks)} blobs that no index names stay until they are 24 hours old and no open session can need them.`,
    )
  const rewritten = sum('rewrittenContentSize', 'quick-rewrite-contents', 'full-rewrite-contents')
  if (rewritten > 0 && !packTasks.some((task) => data.has(task)))
    lines.push(
      `${sizes.bytes(rewritten)} in small packs were copied together; the old packs are deleted by the next maintenance that is at least an hour later.`,
    )
  if (mode === 'full') lines.push(...garbageSpace(data.get('snapshot-gc') ?? {}, data.has('full-drop-deleted-content'), sizes))
  return lines
}

function garbageSpace(gc: Data, hasDropped: boolean, sizes: SizePrinter): string[] {
  const lines: string[] = []
  const waiting = number(gc, hasDropped ? 'deletedContentSize' : 'unreferencedContentSize')
  if (waiting > 0 && !hasDropped)
    lines.push(
      `${sizes.bytes(waiting)} in contents that no snapshot needs are marked as deleted. They are dropped after two full maintenances more than 4 hours apart, their packs deleted or made smaller after that.`,
    )
  const recent = number(gc, 'unreferencedRecentContentSize')
  if (recent > 0)
    lines.push(
      `${sizes.bytes(recent)} in contents that no snapshot needs are younger than 24 hours: a snapshot that is being made may need them.`,
    )
  return lines
}
