import { readlinkSync } from 'node:fs'
import type { ObjectWriterOptions } from '#repo/object/object.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { storedName } from '#snapshot/model/raw-name.ts'
import { compressorFor, metadataCompressorOf } from '#snapshot/policy/compressor-choice.ts'
import type { PolicyTree } from '#snapshot/policy/policy.ts'
import { childPath, type LocalEntry } from '#snapshot/tree/local-tree.ts'
import type { UploadContext } from './context.ts'
import { symlinkObjectOptions } from './entry-options.ts'
import { type LargeFile, type SmallFileReader, type UploadedFile, UploadStoppedError, uploadLargeFile } from './file.ts'
import type { DirectoryInProgress } from './in-progress.ts'
import { readError } from './read-error.ts'
import { SummaryBuilder } from './summary.ts'

/** What has to be known of the folder that a file or link lies in. */
export interface FileFolder {
  /** On disk. */
  readonly path: string | Buffer
  readonly progress: DirectoryInProgress
  readonly reader: SmallFileReader
}

/** The attributes that a directory entry keeps of a local entry (spec 07, 7.1.1). */
export const entryFor = (local: LocalEntry): DirectoryEntry => ({
  name: local.name,
  type: local.type,
  mode: local.mode,
  sizeBytes: local.sizeBytes,
  modifiedNs: local.modifiedNs,
  uid: local.uid,
  gid: local.gid,
  objectId: '',
})

/** Stores the target of a link. Throws EntryReadError, and storage errors as they are. Source: spec 07, 7.1.6. */
export async function uploadSymlink(context: UploadContext, d: FileFolder, local: LocalEntry, policy: PolicyTree) {
  let target: Buffer
  try {
    target = readlinkSync(childPath(d.path, local), { encoding: 'buffer' })
  } catch (error) {
    throw readError(error)
  }
  const objectId = await context.batcher.add(target, symlinkObjectOptions(metadataCompressorOf(policy.effective)))
  return { objectId, sizeBytes: target.length }
}

/** How the contents of a file are written. */
export const fileOptions = ({ effective }: PolicyTree, local: LocalEntry): ObjectWriterOptions => ({
  prefix: '',
  compressor: compressorFor(effective.compression, local.name, local.sizeBytes),
  metadataCompressor: metadataCompressorOf(effective),
  splitter: effective.splitter.algorithm ?? '',
})

/** Whether a file is read in one piece: it is short, and need not be cut in parts. */
export function isSmall({ smallFileBytes }: UploadContext, local: LocalEntry, { effective }: PolicyTree): boolean {
  const partBytes = effective.upload.parallelUploadAboveSize ?? 0
  return local.sizeBytes < smallFileBytes && !(partBytes > 0 && local.sizeBytes > partBytes)
}

/** Stores the contents of a file, small ones together with others. `isAnnounced`: counted and told of already. Throws
 *  EntryReadError, and storage errors as they are. Source: spec 07, 7.1.6. */
export async function uploadFile(
  context: UploadContext,
  d: FileFolder,
  local: LocalEntry,
  relative: string,
  policy: PolicyTree,
  isAnnounced = false,
) {
  const { counters, observer, stop } = context
  const path = childPath(d.path, local)
  const options = fileOptions(policy, local)
  if (stop.stopped) throw new UploadStoppedError('the upload was stopped')
  if (!isAnnounced) {
    counters.nonCachedFileCount++
    observer.hashing?.(relative)
  }
  const partBytes = policy.effective.upload.parallelUploadAboveSize ?? 0
  if (isSmall(context, local, policy)) {
    const small = await uploadSmallFile(context, d, path, local.sizeBytes, options)
    if (small) {
      counters.fileCount++
      counters.totalBytes += small.sizeBytes
      observer.hashed?.(relative, small.sizeBytes)
      return small
    }
  }
  const register: LargeFile['register'] = (file) => d.progress.addFile(file, entryFor(local))
  const large = { path, sizeBytes: local.sizeBytes, name: storedName(local.name), options, register }
  const uploaded = await uploadLargeFile(context, large, partBytes)
  counters.totalBytes += uploaded.sizeBytes
  observer.hashed?.(relative, uploaded.sizeBytes)
  return uploaded
}

/** Undefined when the file turns out to be too long for this. */
async function uploadSmallFile(
  { batcher, stop, observer, smallFileBytes }: UploadContext,
  { reader }: FileFolder,
  path: string | Buffer,
  sizeBytes: number,
  options: ObjectWriterOptions,
): Promise<UploadedFile | undefined> {
  let data: Buffer | undefined
  const read = () => {
    if (stop.stopped) throw new UploadStoppedError('the upload was stopped')
    data = reader.read(path, sizeBytes, smallFileBytes)
    // Counted as it is handed over: a limit must hold for what waits for its batch too.
    if (data) stop.count(data.length)
    return data
  }
  try {
    const uploaded = await batcher.addWhenRoom(read, options)
    if (uploaded) observer.hashedBytes?.(uploaded.sizeBytes)
    return uploaded
  } finally {
    if (data) reader.release(data)
  }
}

/** A single file as the root of a snapshot (spec 07, 7.1.7). `progress` is the folder that stands in for it in checkpoints.
 *  Throws EntryReadError. */
export async function uploadRootFile(
  context: UploadContext,
  path: string,
  local: LocalEntry,
  policy: PolicyTree,
  progress: DirectoryInProgress,
): Promise<DirectoryEntry> {
  const d = { path: path.slice(0, path.lastIndexOf('/')) || '/', progress, reader: context.smallFiles }
  const entry = { ...entryFor(local), ...(await uploadFile(context, d, local, local.name, policy)) }
  const summary = new SummaryBuilder()
  summary.add(entry)
  const built = summary.build(local.modifiedNs, context.stop.reason)
  return { ...entry, summary: { ...built, directoryCount: 0, maxTimeNs: local.modifiedNs } }
}
