import { messageOf } from '#base/errors.ts'
import { expireSnapshots } from '#snapshot/expire.ts'
import { newCounters } from '#snapshot/model/counters.ts'
import { saveSnapshot } from '#snapshot/model/snapshots.ts'
import type { UploadContext } from './context.ts'
import type { DirectoryInProgress } from './in-progress.ts'

/** Maintenance relies on unfinished uploads being reachable at least this often (spec 07, 7.1.11). */
export const maxCheckpointIntervalMs = 45 * 60_000

/** Saves what has been uploaded so far at every interval. A checkpoint that fails cancels the upload: its data would not be safe
 *  from maintenance any longer. */
export function startCheckpoints(context: UploadContext, root: DirectoryInProgress, startNs: bigint): { stop(): Promise<void> } {
  const intervalMs = Math.min(context.request.checkpointIntervalMs ?? maxCheckpointIntervalMs, maxCheckpointIntervalMs)
  let running: Promise<void> = Promise.resolve()
  let isBusy = false
  const timer = setInterval(() => {
    if (isBusy || context.stop.stopped) return
    isBusy = true
    running = saveCheckpoint(context, root, startNs)
      .catch((error: unknown) => {
        context.observer.note?.(`a checkpoint could not be saved, the upload is cancelled: ${messageOf(error)}`)
        context.stop.cancel()
      })
      .finally(() => {
        isBusy = false
      })
  }, intervalMs)
  timer.unref()
  return {
    async stop() {
      clearInterval(timer)
      await running
    },
  }
}

async function saveCheckpoint(context: UploadContext, root: DirectoryInProgress, startNs: bigint): Promise<void> {
  const { repository, request } = context
  const rootEntry = await root.checkpoint(repository)
  const id = await saveSnapshot(repository, {
    id: '',
    source: request.source,
    description: '',
    startNs,
    endNs: repository.clock.nowNs(),
    stats: newCounters(),
    incomplete: 'checkpoint',
    rootEntry,
    tags: {},
    pins: [],
  })
  await expireSnapshots(repository, request.source)
  await repository.flush()
  context.observer.checkpoint?.(id)
}
