import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { encodeDirectory } from '#snapshot/model/directory-json.ts'
import { compressorFor, metadataCompressorOf } from '#snapshot/policy/compressor-choice.ts'
import type { UploadContext } from './context.ts'
import { directoryObjectOptions } from './entry-options.ts'
import type { DirectoryInProgress } from './in-progress.ts'
import { EntryReadError, readError } from './read-error.ts'
import type { StreamedFile } from './request.ts'
import { SummaryBuilder } from './summary.ts'

/** Year 1 wrapped to 64-bit nanoseconds: what the reference writes for a folder without a time (spec 07, 7.1.6). */
const unsetTimeNs = -6_795_364_578_871_345_152n

const owner = { mode: 0o777, uid: 0, gid: 0 }

/** The folder that a streamed file lies in; there is none on disk. */
export const streamFolder = (name: string): DirectoryEntry => ({
  ...owner,
  name,
  type: 'd',
  sizeBytes: 0,
  modifiedNs: unsetTimeNs,
  objectId: '',
})

/** Stores a stream as the only file of a folder. Source: spec 07, 7.1.6. Throws storage errors; a stream that fails is an error of the
 *  file, which is then left out. */
export async function uploadStream(
  context: UploadContext,
  folder: DirectoryEntry,
  file: StreamedFile,
  progress: DirectoryInProgress,
): Promise<DirectoryEntry> {
  const { counters, repository, request, stop } = context
  const policy = request.policyTree
  const summary = new SummaryBuilder()
  counters.directoryCount++
  const entry: DirectoryEntry = {
    ...owner,
    name: file.name,
    type: 'f',
    sizeBytes: 0,
    modifiedNs: repository.clock.nowNs(),
    objectId: '',
  }
  const finished: DirectoryEntry[] = []
  try {
    const stored = await copy(context, entry, file, progress)
    if (stored) finished.push(stored)
  } catch (error) {
    if (!(error instanceof EntryReadError)) throw error
    const ignored = policy.effective.errorHandling.ignoreFileErrors ?? false
    summary.addFailure({ path: file.name, error: error.message }, ignored)
    if (ignored) counters.ignoredErrorCount++
    else counters.errorCount++
    context.observer.failed?.(file.name, error, ignored)
  }
  for (const done of finished) summary.add(done)
  const built = summary.build(folder.modifiedNs, stop.reason)
  const options = directoryObjectOptions(metadataCompressorOf(policy.effective))
  return { ...folder, objectId: await context.batcher.add(encodeDirectory(finished, built), options), summary: built }
}

/** Undefined when the upload was stopped before the end of the stream. */
async function copy(
  context: UploadContext,
  entry: DirectoryEntry,
  file: StreamedFile,
  progress: DirectoryInProgress,
): Promise<DirectoryEntry | undefined> {
  const { counters, observer, repository, request, stop } = context
  const policy = request.policyTree.child(file.name).effective
  counters.nonCachedFileCount++
  observer.hashing?.(file.name)
  const writer = repository.objects.createWriter({
    prefix: '',
    compressor: compressorFor(policy.compression, file.name, 0),
    metadataCompressor: metadataCompressorOf(policy),
    splitter: policy.splitter.algorithm ?? '',
  })
  const unregister = progress.addFile({ name: file.name, writer }, entry)
  let sizeBytes = 0
  let done = false
  try {
    const source = file.data[Symbol.asyncIterator]()
    for (let next = await readNext(source); !next.done; next = await readNext(source)) {
      if (stop.stopped) return undefined
      await writer.write(next.value)
      sizeBytes += next.value.length
      stop.count(next.value.length)
      observer.hashedBytes?.(next.value.length)
    }
    if (stop.stopped) return undefined
    const objectId = await writer.finish()
    done = true
    counters.fileCount++
    counters.totalBytes += sizeBytes
    observer.hashed?.(file.name, sizeBytes)
    return { ...entry, objectId, sizeBytes }
  } finally {
    unregister()
    if (!done) writer.abort()
  }
}

async function readNext(source: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array, unknown>> {
  try {
    return await source.next()
  } catch (error) {
    throw readError(error)
  }
}
