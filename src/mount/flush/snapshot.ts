import { posix } from 'node:path'
import { isDirect, type Repository } from '#repo/repository/repository.ts'
import { expireSnapshots } from '#snapshot/expire.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { findPrevious, saveSnapshot } from '#snapshot/model/snapshots.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { policyTreeFor } from '#snapshot/policy/store.ts'
import type { FlushPoint } from '../staging/staging.ts'
import { type WrittenTree, writeTree } from './tree-writer.ts'

export interface FlushOptions {
  readonly source: SourceInfo
  readonly description: string
  /** Keys carry the `tag:` prefix. */
  readonly tags: Readonly<Record<string, string>>
  readonly pins: readonly string[]
  readonly keepRubbish: boolean
  /** Snapshot that the overlay stands on. */
  readonly lowerId: string | undefined
  /** Save a snapshot even though it equals the last one. */
  readonly keepIdentical: boolean
}

export interface FlushProgress {
  phase?(phase: 'writing' | 'saving' | 'durable' | 'committing'): Promise<void> | void
  file?(path: string, sizeBytes: number): void
}

export interface FlushResult {
  readonly snapshot: Snapshot
  /** It equals the lower snapshot; that one stands and nothing was saved. */
  readonly isIdentical: boolean
  readonly tree: WrittenTree
  /** A snapshot of the source that somebody else made since the lower one. */
  readonly concurrentId: string | undefined
  readonly expiredCount: number
  /** Written to storage; 0 through a server, which does not say. */
  readonly newBytes: number
  readonly droppedXattrs: number
}

/** Makes a snapshot of a flush point, durable in storage, and commits the point. On failure the point is given up: nothing staged is
 *  dropped. Throws what the storage and reading the staged files throw. Source: spec 08, 4.8. */
export async function flushToSnapshot(
  repository: Repository,
  point: FlushPoint,
  options: FlushOptions,
  progress: FlushProgress = {},
  signal?: AbortSignal,
): Promise<FlushResult> {
  try {
    const writtenBefore = writtenBytes(repository)
    const saved = await write(repository, point, options, progress, signal)
    const { snapshot, tree } = saved
    const result = { ...saved, newBytes: writtenBytes(repository) - writtenBefore, droppedXattrs: point.droppedXattrs }
    await progress.phase?.('committing')
    const rootObject = tree.rootEntry.objectId
    if (rootObject !== '') await point.commit({ snapshotId: snapshot.id, rootObject, objects: tree.objects })
    return result
  } catch (error) {
    point.abandon()
    throw error
  }
}

async function write(
  repository: Repository,
  point: FlushPoint,
  options: FlushOptions,
  progress: FlushProgress,
  signal: AbortSignal | undefined,
): Promise<Omit<FlushResult, 'newBytes' | 'droppedXattrs'>> {
  const { source, lowerId } = options
  const startNs = repository.clock.nowNs()
  await progress.phase?.('writing')
  const [previous, policyTree] = await Promise.all([
    findPrevious(repository, source, { onDamaged: () => undefined }),
    policyTreeFor(repository, source),
  ])
  const lower = previous.find((s) => s.id === lowerId)
  const tree = await writeTree({
    repository,
    root: point.root,
    rootName: posix.basename(source.path) || '/',
    policyTree,
    refilter: lower !== undefined && (await hasNewerPolicy(repository, lower.startNs)),
    keepRubbish: options.keepRubbish,
    check: () => signal?.throwIfAborted(),
    ...(progress.file ? { onFile: progress.file } : {}),
  })
  const newest = previous[0]
  const concurrentId = newest && newest.id !== lowerId ? newest.id : undefined
  const snapshot: Snapshot = {
    id: '',
    source,
    description: options.description,
    startNs,
    endNs: repository.clock.nowNs(),
    stats: { ...tree.counters },
    rootEntry: tree.rootEntry,
    tags: options.tags,
    pins: options.pins,
  }
  if (!options.keepIdentical && lower && concurrentId === undefined && lower.rootEntry?.objectId === tree.rootEntry.objectId)
    return { snapshot: lower, isIdentical: true, tree, concurrentId, expiredCount: 0 }
  await progress.phase?.('saving')
  const id = await saveSnapshot(repository, snapshot)
  let expiredCount = 0
  try {
    expiredCount = (await expireSnapshots(repository, source)).length
    await repository.flush()
  } catch (error) {
    // The next attempt saves its own.
    await repository.manifests.delete(id).catch(() => undefined)
    throw error
  }
  await progress.phase?.('durable')
  return { snapshot: { ...snapshot, id }, isIdentical: false, tree, concurrentId, expiredCount }
}

const writtenBytes = (repository: Repository): number => (isDirect(repository) ? repository.contents.counters.writtenBytes : 0)

/** Whether any policy was changed since then: what the rules in force left out at that time is not known. */
async function hasNewerPolicy(repository: Repository, sinceNs: bigint): Promise<boolean> {
  return (await repository.manifests.find({ type: 'policy' })).some((p) => p.modifiedNs > sinceNs)
}
