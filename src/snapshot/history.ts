import { UsageError } from '#base/errors.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { deleteSnapshot, listSnapshots, saveSnapshot } from '#snapshot/model/snapshots.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { sameSource } from '#snapshot/model/source-text.ts'

export interface HistoryRequest {
  /** Empty parts match anything. */
  readonly from: SourceInfo
  /** Empty parts are taken from each snapshot. */
  readonly to: SourceInfo
  /** Delete the originals. */
  readonly isMove: boolean
  readonly isDryRun: boolean
  /** Hears of each snapshot before anything is done with it. */
  readonly onStep?: (step: 'copy' | 'move' | 'skip' | 'delete original', snapshot: Snapshot, to: SourceInfo) => void
}

/** Saves the manifests of a source under another source; data is not touched. A snapshot that is there already (same source, start time
 *  and root) is skipped, its original deleted when moving. Returns how many were saved. Throws UsageError for a destination that would
 *  merge different paths or users. Source: spec 07, 7.7.5. */
export async function copyHistory(repository: Repository, request: HistoryRequest): Promise<number> {
  const { from, to, isMove, isDryRun, onStep } = request
  if (to.path !== '' && from.path === '') throw new UsageError('cannot specify destination path without source path')
  if (to.user !== '' && from.user === '') throw new UsageError('cannot specify destination username without source username')
  const keyOf = (s: Snapshot, source: SourceInfo) =>
    JSON.stringify([source.user, source.host, source.path, s.startNs.toString(), s.rootEntry?.objectId ?? ''])
  const all = await listSnapshots(repository, { onDamaged: () => undefined })
  const present = new Set(all.map((s) => keyOf(s, s.source)))
  let saved = 0
  for (const snapshot of await listSnapshots(repository, { source: from })) {
    const { source } = snapshot
    const target = { user: to.user || source.user, host: to.host || source.host, path: to.path || source.path }
    if (sameSource(target, source)) {
      onStep?.('skip', snapshot, target)
      continue
    }
    const key = keyOf(snapshot, target)
    if (present.has(key)) onStep?.(isMove ? 'delete original' : 'skip', snapshot, target)
    else {
      onStep?.(isMove ? 'move' : 'copy', snapshot, target)
      present.add(key)
      saved++
      if (!isDryRun) await saveSnapshot(repository, { ...snapshot, id: '', source: target })
    }
    if (isMove && !isDryRun) await deleteSnapshot(repository, snapshot.id)
  }
  return saved
}
