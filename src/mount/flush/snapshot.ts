import { posix } from 'node:path'
import { KuraError } from '#base/errors.ts'
import { formatBlobId } from '#repo/format/format-blob.ts'
import type { ObjectId } from '#repo/object/object.ts'
import { isDirect, type Repository } from '#repo/repository/repository.ts'
import { expireSnapshots } from '#snapshot/expire.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { findPrevious, saveSnapshot } from '#snapshot/model/snapshots.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { formatSource } from '#snapshot/model/source-text.ts'
import type { PolicyTree } from '#snapshot/policy/policy.ts'
import { policyTreeFor } from '#snapshot/policy/store.ts'
import { type ActionSettings, withHooks } from '#snapshot/upload/hooks.ts'
import type { FlushPoint } from '../staging/staging.ts'
import type { PreUploaded } from './pre-uploaded.ts'
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
  /** A newer snapshot that the person knows of. */
  readonly knownId?: string | undefined
  /** Save a snapshot even though it equals the last one. */
  readonly keepIdentical: boolean
  /** Put the changes onto the newest snapshot of the source, if that is not the lower one. For an overlay that nobody has open. */
  readonly rebase?: boolean
  /** What the actions of the policies need; without it none is run. */
  readonly actions?: ActionSettings | undefined
  /** Contents that were stored before the flush. */
  readonly uploaded?: PreUploaded | undefined
  /** Told what a person should know and is no error. */
  readonly note?: (line: string) => void
}

/** The snapshot that the overlay stands on is gone: what was taken over from it may go too. */
export class LowerMissingError extends KuraError {
  readonly code = 'LOWER_MISSING'
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
    if (rootObject !== '') await point.commit({ snapshotId: snapshot.id, rootObject, objects: tree.objects, standing: tree.standing })
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
  const { source, lowerId, rebase = false } = options
  const startNs = repository.clock.nowNs()
  await progress.phase?.('writing')
  // Listings are tried again for many minutes; that nobody answers is known, and said, in seconds.
  if (isDirect(repository)) await repository.blobs.stat(formatBlobId)
  await repository.refresh()
  const [previous, policyTree] = await Promise.all([
    findPrevious(repository, source, { onDamaged: () => undefined }),
    policyTreeFor(repository, source),
  ])
  if (!rebase && lowerId !== undefined) await requireLower(repository, lowerId, source)
  const newest = previous.find((s) => !s.incomplete)
  const concurrentId = !rebase && newest && newest.id !== lowerId && newest.id !== options.knownId ? newest.id : undefined
  const lower = rebase ? newest : previous.find((s) => s.id === lowerId)
  const tree = await withActions(options, policyTree, signal, async () =>
    writeTree({
      repository,
      root: point.root,
      rootName: posix.basename(source.path) || '/',
      policyTree,
      refilter:
        (lowerId !== undefined && lower === undefined) ||
        (lower !== undefined && (lower.rootEntry?.objectId !== point.root.lower || (await hasNewerPolicy(repository, lower.startNs)))),
      keepRubbish: options.keepRubbish,
      newer: rebase && newest && newest.id !== lowerId ? (newest.rootEntry?.objectId as ObjectId) : undefined,
      uploaded: options.uploaded,
      around: (relative, policy, work) => aroundFolder(options, signal, relative, policy, work),
      check: () => signal?.throwIfAborted(),
      ...(progress.file ? { onFile: progress.file } : {}),
    }),
  )
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
    // Killed before it stands on the new one, the overlay stands on the old one still: that goes with the next flush.
    expiredCount = (await expireSnapshots(repository, source, lowerId)).length
    await repository.flush()
  } catch (error) {
    // The next attempt saves its own.
    await repository.manifests.delete(id).catch(() => undefined)
    throw error
  }
  await progress.phase?.('durable')
  return { snapshot: { ...snapshot, id }, isIdentical: false, tree, concurrentId, expiredCount }
}

/** Throws LowerMissingError when the snapshot is not there any more. */
export async function requireLower(repository: Repository, lowerId: string, source: SourceInfo): Promise<void> {
  if ((await repository.manifests.find({ type: 'snapshot' })).some((m) => m.id === lowerId)) return
  throw new LowerMissingError(
    `the snapshot ${lowerId} of ${formatSource(source)}, on which the changes stand, was deleted. They are kept: unmount, then write them to a folder with "kura staging export", or put them onto the newest snapshot with "kura staging flush --rebase".`,
  )
}

const hookContext = ({ actions, note }: FlushOptions, signal: AbortSignal | undefined) => ({
  request: actions ? { actions } : {},
  observer: note ? { note } : {},
  stop: { signal },
})

const nameOf = (path: string) => ({ name: posix.basename(path), rawName: Buffer.from(posix.basename(path)) })

/** The actions of the root run around the flush as they do around an upload; there is no other place to read from, though. */
async function withActions(
  options: FlushOptions,
  policyTree: PolicyTree,
  signal: AbortSignal | undefined,
  work: () => Promise<WrittenTree>,
): Promise<WrittenTree> {
  const { beforeSnapshotRoot, afterSnapshotRoot, beforeFolder, afterFolder } = policyTree.effective.actions
  const { path } = options.source
  const context = hookContext(options, signal)
  const root = { kind: 'snapshot-root', before: beforeSnapshotRoot, after: afterSnapshotRoot, path } as const
  const folder = { kind: 'folder', before: beforeFolder, after: afterFolder, path } as const
  return withHooks(context, root, nameOf(path), () => withHooks(context, folder, nameOf(path), work))
}

/** The same for a changed folder below the root that a policy is defined on. What is unchanged is not visited. */
async function aroundFolder<T>(
  options: FlushOptions,
  signal: AbortSignal | undefined,
  relative: string,
  policy: PolicyTree,
  work: () => Promise<T>,
): Promise<T> {
  const { beforeFolder: before, afterFolder: after } = policy.isDefined ? policy.effective.actions : {}
  if (!before && !after) return work()
  const path = posix.join(options.source.path, relative)
  return withHooks(hookContext(options, signal), { kind: 'folder', before, after, path }, nameOf(path), work)
}

const writtenBytes = (repository: Repository): number => (isDirect(repository) ? repository.contents.counters.writtenBytes : 0)

/** Whether any policy was changed since then: what the rules in force left out at that time is not known. */
async function hasNewerPolicy(repository: Repository, sinceNs: bigint): Promise<boolean> {
  return (await repository.manifests.find({ type: 'policy' })).some((p) => p.modifiedNs > sinceNs)
}
