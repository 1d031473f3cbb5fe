import { availableParallelism } from 'node:os'
import { basename } from 'node:path'
import { CancelledError } from '#base/errors.ts'
import { Limiter } from '#base/limit.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import { newCounters } from '#snapshot/model/counters.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { storedName } from '#snapshot/model/raw-name.ts'
import type { Snapshot, SnapshotStats } from '#snapshot/model/snapshot.ts'
import { metadataCompressorOf } from '#snapshot/policy/compressor-choice.ts'
import { outermostContext } from '#snapshot/tree/ignore-rules.ts'
import { type LocalEntry, statLocal } from '#snapshot/tree/local-tree.ts'
import { startCheckpoints } from './checkpoint.ts'
import type { UploadContext } from './context.ts'
import { SmallFileReader, UploadStoppedError } from './file.ts'
import { withHooks } from './hooks.ts'
import { DirectoryInProgress } from './in-progress.ts'
import { entryFor, uploadRootFile } from './leaf.ts'
import { LossCollector } from './losses.ts'
import { ObjectBatcher } from './object-batch.ts'
import { EntryReadError, readError } from './read-error.ts'
import type { StreamedFile, UploadObserver, UploadRequest, UploadResult } from './request.ts'
import { SmallFileBatches } from './small-files.ts'
import { UploadStop } from './stop.ts'
import { streamFolder, uploadStream } from './stream.ts'
import { uploadDirectory } from './walk.ts'

const smallFileBytes = 1 << 20

/** Reads a local folder or file into the repository. The snapshot is returned, not saved; nothing is flushed. When `signal` is
 *  aborted or a limit is reached it carries the reason in `incomplete`. Throws EntryReadError when the root cannot be read, and the
 *  storage's errors. Source: spec 07, 7.1. */
export async function uploadTree(
  repository: Repository,
  request: UploadRequest,
  observer: UploadObserver,
  signal?: AbortSignal,
): Promise<UploadResult> {
  const startNs = repository.clock.nowNs()
  const local = request.stream ? undefined : readRoot(request.localPath)
  const parallel = request.parallel || request.policyTree.effective.upload.maxParallelFileReads || availableParallelism()
  const stop = new UploadStop(signal, request.uploadLimitBytes)
  const context: UploadContext = {
    repository,
    request,
    observer,
    losses: new LossCollector(),
    batcher: new ObjectBatcher(repository.objects),
    counters: newCounters(),
    stop,
    largeFiles: new Limiter(Math.max(1, parallel)),
    smallBatches: new SmallFileBatches(repository.objects, (error) => stop.fail(error)),
    smallFiles: new SmallFileReader(),
    smallFileBytes,
    openDirectories: 0,
  }
  const rootEntry = await (local ? uploadRoot(context, local, startNs) : uploadStreamRoot(context, startNs))
  const reason = context.stop.reason
  const snapshot: Snapshot = {
    id: '',
    source: request.source,
    description: '',
    startNs,
    endNs: repository.clock.nowNs(),
    stats: statsOf(context.counters),
    ...(reason ? { incomplete: reason } : {}),
    rootEntry,
    tags: {},
    pins: [],
  }
  return { snapshot, losses: context.losses.report() }
}

function readRoot(path: string): LocalEntry {
  let local: LocalEntry
  try {
    local = statLocal(path, basename(path) || '/')
  } catch (error) {
    throw new EntryReadError(`cannot read ${path}: ${readError(error).message}`, { cause: error })
  }
  if (local.type !== 'f' && local.type !== 'd')
    throw new EntryReadError(`${path} is neither a folder nor a regular file; it cannot be a source`)
  return { ...local, name: storedName(local.name) }
}

async function uploadRoot(context: UploadContext, local: LocalEntry, startNs: bigint): Promise<DirectoryEntry> {
  const { request } = context
  // A checkpoint of a single file is a folder that holds what there is of it: half a file must not look like the file.
  const progressEntry: DirectoryEntry = local.type === 'f' ? { ...entryFor(local), type: 'd', sizeBytes: 0 } : entryFor(local)
  const progress = new DirectoryInProgress(progressEntry, metadataCompressorOf(request.policyTree.effective))
  const checkpoints = startCheckpoints(context, progress, startNs)
  try {
    if (local.type === 'f') return await uploadRootFile(context, request.localPath, local, request.policyTree, progress)
    const previous = [...new Set(request.previous.flatMap((s) => (s.rootEntry?.type === 'd' ? [s.rootEntry.objectId as ObjectId] : [])))]
    const { beforeSnapshotRoot: before, afterSnapshotRoot: after } = request.policyTree.effective.actions
    const pair = { kind: 'snapshot-root', before, after, path: request.localPath } as const
    return await withHooks(context, pair, local, (redirect) =>
      uploadDirectory(context, {
        path: redirect?.path ?? request.localPath,
        relative: '',
        local: redirect?.local ?? local,
        policy: request.policyTree,
        parentRules: outermostContext,
        previous,
        progress,
      }),
    )
  } catch (error) {
    if (error instanceof UploadStoppedError)
      throw new CancelledError(`the upload was stopped (${context.stop.reason}) before the file had been read in full`, { cause: error })
    throw error
  } finally {
    await checkpoints.stop()
  }
}

async function uploadStreamRoot(context: UploadContext, startNs: bigint): Promise<DirectoryEntry> {
  const { request } = context
  const folder = streamFolder(request.localPath)
  const progress = new DirectoryInProgress(folder, metadataCompressorOf(request.policyTree.effective))
  const checkpoints = startCheckpoints(context, progress, startNs)
  try {
    return await uploadStream(context, folder, request.stream as StreamedFile, progress)
  } finally {
    await checkpoints.stop()
  }
}

const statsOf = (counters: UploadContext['counters']): SnapshotStats => ({ ...counters })
