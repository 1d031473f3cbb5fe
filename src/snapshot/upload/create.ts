import { realpathSync } from 'node:fs'
import type { Repository } from '#repo/repository/repository.ts'
import { expireSnapshots } from '#snapshot/expire.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { findPrevious, saveSnapshot } from '#snapshot/model/snapshots.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { policyTreeFor } from '#snapshot/policy/store.ts'
import type { LossReport } from './losses.ts'
import { EntryReadError, readError } from './read-error.ts'
import type { UploadObserver, UploadRequest } from './request.ts'
import { uploadTree } from './run.ts'

/** One source to snapshot and what its manifest is to say (spec 07, 7.1.2). */
export interface CreateRequest
  extends Pick<
    UploadRequest,
    'parallel' | 'forceHashPercent' | 'uploadLimitBytes' | 'checkpointIntervalMs' | 'failFast' | 'stream' | 'actions'
  > {
  /** As it is recorded. */
  readonly source: SourceInfo
  /** What is read; a link at its end is followed. */
  readonly localPath: string
  readonly description?: string
  /** Keys carry the `tag:` prefix. */
  readonly tags?: Readonly<Record<string, string>>
  readonly pins?: readonly string[]
  /** Overrides; when only one is given, the other keeps the measured duration. */
  readonly startNs?: bigint
  readonly endNs?: bigint
}

export interface CreateResult {
  /** With its manifest ID, which is '' when nothing was saved. */
  readonly snapshot: Snapshot
  /** True when the policy says not to save a snapshot that equals the last one, and it does. */
  readonly isIdentical: boolean
  readonly losses: LossReport
  /** The newest complete snapshot of the source before this one. */
  readonly previous: Snapshot | undefined
  /** How many expired snapshots the retention policy removed. */
  readonly expiredCount: number
}

/** Uploads a source and saves its snapshot, then applies retention. Nothing is durable before the repository is flushed.
 *  Throws EntryReadError when the source cannot be read, and the storage's errors. */
export async function createSnapshot(
  repository: Repository,
  request: CreateRequest,
  observer: UploadObserver,
  signal?: AbortSignal,
): Promise<CreateResult> {
  const note = (id: string, error: unknown) =>
    observer.note?.(`the snapshot manifest ${id} cannot be read and is left out: ${String(error)}`)
  const [previous, policyTree] = await Promise.all([
    findPrevious(repository, request.source, { onDamaged: note }),
    policyTreeFor(repository, request.source),
  ])
  const localPath = request.stream ? request.localPath : resolveLink(request.localPath)
  const upload: UploadRequest = { ...request, localPath, policyTree, previous }
  const { snapshot: uploaded, losses } = await uploadTree(repository, upload, observer, signal)
  const snapshot: Snapshot = {
    ...uploaded,
    ...times(uploaded, request),
    description: request.description ?? '',
    tags: request.tags ?? {},
    pins: request.pins ?? [],
  }
  const before = previous.find(({ incomplete }) => !incomplete)
  const identical = policyTree.effective.retention.ignoreIdenticalSnapshots ?? false
  if (identical && previous[0]?.rootEntry?.objectId === snapshot.rootEntry?.objectId)
    return { snapshot, isIdentical: true, losses, previous: before, expiredCount: 0 }
  const id = await saveSnapshot(repository, snapshot)
  const expired = await expireSnapshots(repository, request.source)
  return { snapshot: { ...snapshot, id }, isIdentical: false, losses, previous: before, expiredCount: expired.length }
}

function resolveLink(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    throw new EntryReadError(`cannot read ${path}: ${readError(error).message}`, { cause: error })
  }
}

function times(uploaded: Snapshot, request: CreateRequest): Pick<Snapshot, 'startNs' | 'endNs'> {
  const duration = uploaded.endNs - uploaded.startNs
  const startNs = request.startNs ?? (request.endNs === undefined ? uploaded.startNs : request.endNs - duration)
  return { startNs, endNs: request.endNs ?? startNs + duration }
}
