import { messageOf } from '#base/errors.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import { newCounters } from '#snapshot/model/counters.ts'
import type { Snapshot, SnapshotStats } from '#snapshot/model/snapshot.ts'
import { deleteSnapshot, findPrevious, listSnapshots, saveSnapshot } from '#snapshot/model/snapshots.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { metadataCompressorOf } from '#snapshot/policy/compressor-choice.ts'
import { getPolicy, policyTreeFor, setPolicy } from '#snapshot/policy/store.ts'
import { maxCheckpointIntervalMs } from '#snapshot/upload/checkpoint.ts'
import { DirectoryInProgress } from '#snapshot/upload/in-progress.ts'
import { type CopyOptions, TreeCopier } from './copy-tree.ts'

export interface MigrateRequest extends Pick<CopyOptions, 'appliesRules' | 'parallel' | 'signal' | 'onFile'> {
  readonly from: Repository
  readonly to: Repository
  readonly source: SourceInfo
  /** Only the newest snapshot. */
  readonly latestOnly: boolean
  readonly checkpointIntervalMs?: number
  readonly onSnapshot?: (snapshot: Snapshot, what: 'copying' | 'present' | 'incomplete') => void
  readonly onFailure?: (snapshot: Snapshot, path: string, error: unknown) => void
  readonly onNote?: (message: string) => void
}

/** Copies the snapshots of one source to another repository, oldest first, and returns how many. Those that are there already (same start
 *  time) and incomplete ones are passed over. Start, end and description are kept; tags and pins are not. No retention is applied.
 *  Throws EntryReadError when a root cannot be read, CancelledError (nothing of the snapshot in hand is saved), and errors of writing.
 *  Source: spec 07, 7.7.4. */
export async function migrateSource(request: MigrateRequest): Promise<number> {
  const { from, to, source, onSnapshot } = request
  const all = await listSnapshots(from, { source })
  const present = new Set((await listSnapshots(to, { source })).filter((s) => !s.incomplete).map((s) => s.startNs))
  let current: Snapshot | undefined
  const onFailure = (path: string, error: unknown) => current && request.onFailure?.(current, path, error)
  const copier = new TreeCopier(from, to, { ...request, onFailure })
  let count = 0
  for (const snapshot of request.latestOnly ? all.slice(-1) : all) {
    if (snapshot.incomplete || !snapshot.rootEntry) onSnapshot?.(snapshot, 'incomplete')
    else if (present.has(snapshot.startNs)) onSnapshot?.(snapshot, 'present')
    else {
      current = snapshot
      onSnapshot?.(snapshot, 'copying')
      await migrateSnapshot(request, copier, snapshot)
      count++
    }
  }
  return count
}

async function migrateSnapshot(request: MigrateRequest, copier: TreeCopier, snapshot: Snapshot): Promise<void> {
  const { to } = request
  const root = snapshot.rootEntry
  if (!root) return
  const { source, startNs, endNs, description } = snapshot
  const policy = await policyTreeFor(to, source)
  const previous = await findPrevious(to, source, { noLaterThanNs: startNs, onDamaged: () => undefined })
  const previousIds = new Set(previous.map((s) => s.rootEntry?.objectId as ObjectId))
  const progress = new DirectoryInProgress({ ...root, type: 'd' }, metadataCompressorOf(policy.effective))
  const record = { id: '', source, startNs, tags: {}, pins: [] }
  const checkpoints = startCheckpoints(request, progress, record)
  try {
    const rootEntry = await copier.copyRoot(root, policy, [...previousIds], progress)
    await checkpoints.stop()
    await saveSnapshot(to, { ...record, endNs, description, stats: statsOf(rootEntry, snapshot), rootEntry })
  } finally {
    await checkpoints.stop()
  }
  await checkpoints.remove()
}

function statsOf({ summary }: NonNullable<Snapshot['rootEntry']>, { stats }: Snapshot): SnapshotStats {
  if (!summary) return stats
  const { totalBytes, fileCount, directoryCount, fatalErrorCount, ignoredErrorCount } = summary
  return { ...newCounters(), totalBytes, fileCount, directoryCount, ignoredErrorCount, errorCount: fatalErrorCount }
}

/** What has been copied must be reachable before maintenance may take it for rubbish (spec 07, 7.1.11). */
function startCheckpoints(
  request: MigrateRequest,
  progress: DirectoryInProgress,
  record: Pick<Snapshot, 'id' | 'source' | 'startNs' | 'tags' | 'pins'>,
) {
  const { to, onNote } = request
  let saved: string | undefined
  let running = Promise.resolve()
  const remove = async () => {
    if (saved !== undefined) await deleteSnapshot(to, saved)
    saved = undefined
  }
  const save = async () => {
    const rootEntry = await progress.checkpoint(to)
    const endNs = to.clock.nowNs()
    const id = await saveSnapshot(to, { ...record, description: '', endNs, stats: newCounters(), incomplete: 'checkpoint', rootEntry })
    await remove()
    saved = id
    await to.flush()
  }
  const timer = setInterval(() => {
    running = running.then(save).catch((error: unknown) => onNote?.(`a checkpoint could not be saved: ${messageOf(error)}`))
  }, request.checkpointIntervalMs ?? maxCheckpointIntervalMs)
  timer.unref()
  return {
    async stop() {
      clearInterval(timer)
      await running
    },
    remove,
  }
}

/** Copies the policy that is defined for exactly this target; false when there is none, or the target repository has one of its own and
 *  that is not to be replaced. */
export async function migratePolicy(from: Repository, to: Repository, target: SourceInfo, overwrite: boolean): Promise<boolean> {
  const found = await getPolicy(from, target)
  if (!found || (!overwrite && (await getPolicy(to, target)))) return false
  await setPolicy(to, target, found.policy)
  return true
}
