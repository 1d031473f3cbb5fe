import { nativeAddon } from '#base/native.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { encodeDirectory } from '#snapshot/model/directory-json.ts'
import { storedName } from '#snapshot/model/raw-name.ts'
import { metadataCompressorOf } from '#snapshot/policy/compressor-choice.ts'
import type { PolicyTree } from '#snapshot/policy/policy.ts'
import { type FolderScan, ListedFolder, scanFolder } from '#snapshot/tree/folder-scan.ts'
import { enterDirectory, type IgnoreContext, whyHidden } from '#snapshot/tree/ignore-rules.ts'
import { cacheTag, childPath, isCacheDirectory, type LocalEntry, readIgnoreFile } from '#snapshot/tree/local-tree.ts'
import type { UploadContext } from './context.ts'
import { directoryObjectOptions } from './entry-options.ts'
import { type SmallFileReader, UploadStoppedError } from './file.ts'
import { withHooks } from './hooks.ts'
import { DirectoryInProgress } from './in-progress.ts'
import { keepUnchanged } from './kept.ts'
import { entryFor, uploadFile, uploadSymlink } from './leaf.ts'
import { readPlaceholder } from './placeholder.ts'
import { PreviousDirectories, readPrevious } from './previous.ts'
import { EntryReadError, readError } from './read-error.ts'
import { SummaryBuilder } from './summary.ts'
import { WaitingFiles } from './waiting-file.ts'

export interface DirectoryToUpload {
  /** On disk. */
  readonly path: string | Buffer
  /** From the snapshot root, '/'-separated; '' for the root. */
  readonly relative: string
  readonly local: LocalEntry
  readonly policy: PolicyTree
  /** Ignore rules of the directory above. */
  readonly parentRules: IgnoreContext
  readonly previous: readonly ObjectId[]
  readonly progress: DirectoryInProgress
}

/** Directories walked at once beside the one in hand. Beyond that a child is walked in place, so that nothing waits for a seat. */
const directoriesAtOnce = 64
/** Entries of one directory that may wait for their batch or their turn. */
const entriesInFlight = 1024
/** The walk gives way to timers, signals and progress at least this often. */
const yieldEveryMs = 30

/** One directory with all that is worked out about it before its entries are looked at. */
interface OpenDirectory extends DirectoryToUpload {
  readonly rules: IgnoreContext
  readonly earlier: PreviousDirectories
  readonly summary: SummaryBuilder
  readonly reader: SmallFileReader
}

/** Uploads a directory and everything below it. Throws EntryReadError when the directory itself cannot be listed or its ignore
 *  rules cannot be used, or an essential action before it fails; storage failures reject at once. Source: spec 07, 7.1.4–7.1.9. */
export async function uploadDirectory(context: UploadContext, d: DirectoryToUpload): Promise<DirectoryEntry> {
  const { beforeFolder: before, afterFolder: after } = d.policy.isDefined ? d.policy.effective.actions : {}
  if (!before && !after) return uploadFolder(context, d)
  const pair = { kind: 'folder', before, after, path: String(d.path) } as const
  return withHooks(context, pair, d.local, (redirect) => uploadFolder(context, redirect ? { ...d, ...redirect } : d))
}

async function uploadFolder(context: UploadContext, d: DirectoryToUpload): Promise<DirectoryEntry> {
  const startedMs = performance.now()
  const note = (message: string) => context.observer.note?.(message)
  const earlier = await readPrevious(context.repository, d.previous, note)
  let scan: FolderScan
  let rules: IgnoreContext
  try {
    scan = await scanFolder(d.path, earlier[0]?.bytes)
    const files = d.policy.effective.files
    if ((files.ignoreCacheDirs ?? true) && isCacheDirectory(d.path, scan.named(cacheTag))) {
      scan = new ListedFolder([])
      countExcluded(context, d.local, d.relative || '.')
    }
    rules = enterDirectory(
      d.parentRules,
      d.relative === '' ? '' : `/${d.relative}`,
      d.policy.isDefined || d.relative === '' ? files : undefined,
      (name) => readIgnoreFile(d.path, scan.named(name), name),
    )
  } catch (error) {
    throw readError(error)
  }
  context.counters.directoryCount++
  context.observer.directory?.(d.relative)
  const open: OpenDirectory = {
    ...d,
    rules,
    earlier: new PreviousDirectories(earlier, scan.storedFoldersEnd, note),
    summary: new SummaryBuilder(),
    reader: context.smallFiles,
  }
  d.progress.kept = await keepUnchanged(context, {
    relative: d.relative,
    local: d.local,
    rules,
    scan,
    stored: earlier[0],
    onSpecial: (entry, relative, mayHaveAttributes) => reportLosses(context, open, entry, relative, mayHaveAttributes),
  })
  await uploadEntries(context, open, scan)
  const entry = await finishDirectory(context, open)
  context.observer.directoryDone?.(d.relative, entry, performance.now() - startedMs)
  return entry
}

async function finishDirectory(context: UploadContext, d: OpenDirectory): Promise<DirectoryEntry> {
  const { finished, kept } = d.progress
  for (const entry of finished) d.summary.add(entry)
  kept?.addTo(d.summary)
  const summary = d.summary.build(d.local.modifiedNs, context.stop.reason)
  const options = directoryObjectOptions(metadataCompressorOf(d.policy.effective))
  // Where only directories are new, the rest of the JSON stands already.
  const isKept = kept !== undefined && kept.count > 0 && finished.every((e) => e.type === 'd' && e.name.isWellFormed())
  const { objects } = context.repository
  const same = isKept && finished.length === 0 ? kept.sameWithoutFolders(summary) : undefined
  if (same !== undefined && (await objects.isPresent(same))) return { ...entryFor(d.local), objectId: same, summary }
  const bytes = isKept ? kept.encode(finished, summary) : encodeDirectory([...finished, ...(kept?.entries() ?? [])], summary)
  const known = isKept && finished.length > 0 ? kept.sameObject(bytes) : undefined
  const isThere = known !== undefined && (await objects.isPresent(known))
  const objectId = isThere ? known : await context.batcher.add(bytes, options)
  return { ...entryFor(d.local), objectId, summary }
}

async function uploadEntries(context: UploadContext, d: OpenDirectory, scan: FolderScan): Promise<void> {
  const pending = new Set<Promise<void>>()
  // Never rejects: when the upload as a whole fails, everything that has begun is still waited for.
  const start = (work: () => Promise<void>): Promise<void> => {
    const running = work()
      .catch((error: unknown) => context.stop.fail(error))
      .finally(() => pending.delete(running))
    pending.add(running)
    return running
  }
  const waiting = new WaitingFiles(context, d, (local, relative, policy) => {
    void start(() => uploadLeaf(context, d, local, relative, policy, true))
  })
  let wasYieldedMs = performance.now()
  for (let i = 0; i < scan.count; i++) {
    if (context.stop.stopped) break
    if (d.progress.kept?.flags[i] === 1) continue
    const local = scan.entry(i)
    const relative = d.relative === '' ? local.name : `${d.relative}/${local.name}`
    if (isLeftOut(context, d, local, relative)) continue
    reportLosses(context, d, local, relative, scan.mayHaveAttributes(i))
    if (local.type === 'd' && !local.isPlaceholder && local.failure === undefined) await startChild(context, d, local, relative, start)
    else {
      const work = local.isPlaceholder
        ? () => takePlaceholder(context, d, local, relative, scan)
        : startEntry(context, d, local, relative, waiting)
      if (work) void start(work)
      const room = context.smallBatches.room()
      if (room) await room
    }
    if (pending.size >= entriesInFlight) await Promise.race(pending)
    if (performance.now() - wasYieldedMs > yieldEveryMs) {
      await new Promise<void>((resolve) => setImmediate(resolve))
      wasYieldedMs = performance.now()
    }
  }
  await waiting.settled()
  await Promise.all(pending)
  context.stop.throwIfFailed()
}

function isLeftOut(context: UploadContext, d: OpenDirectory, local: LocalEntry, relative: string): boolean {
  // The device of what cannot be looked at is not known; it must fail, not be left out in silence.
  const device = local.isDenied ? d.local.device : local.device
  const hidden = whyHidden(d.rules, `/${relative}`, { isDirectory: local.type === 'd', sizeBytes: local.sizeBytes, device }, d.local.device)
  if (hidden === 'rule') countExcluded(context, local, relative)
  return hidden !== undefined
}

/** Walks into a directory: beside this one when there is a seat, else it resolves when the directory is done. */
async function startChild(
  context: UploadContext,
  d: OpenDirectory,
  local: LocalEntry,
  relative: string,
  start: (work: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const work = () => uploadChild(context, d, local, relative, d.policy.child(local.name))
  if (context.openDirectories >= directoriesAtOnce) return start(work)
  context.openDirectories++
  void start(() =>
    work().finally(() => {
      context.openDirectories--
    }),
  )
}

function countExcluded(context: UploadContext, local: LocalEntry, relative: string): void {
  if (local.type === 'd') context.counters.excludedDirectoryCount++
  else {
    context.counters.excludedFileCount++
    context.counters.excludedBytes += local.sizeBytes
  }
  context.observer.excluded?.(relative, local.type === 'd', local.sizeBytes)
}

function reportLosses(context: UploadContext, d: OpenDirectory, local: LocalEntry, relative: string, mayHaveAttributes: boolean): void {
  if (local.rawName !== undefined) context.losses.add('invalidNames', storedName(relative))
  if (local.type === '' && !local.isDenied) context.losses.add('specialFiles', storedName(relative))
  if (local.type === 'f' && local.linkCount > 1) context.losses.add('hardLinks', storedName(relative))
  const addon = nativeAddon()
  if (!mayHaveAttributes || !addon || local.isDenied || local.type === 's') return
  try {
    const path = childPath(d.path, local)
    const names = addon.xattrNames(typeof path === 'string' ? Buffer.from(path) : path)
    if (names.length > 0) context.losses.addAttributes(names, storedName(relative))
  } catch {
    // Vanished or denied meanwhile: reading the entry will tell.
  }
}

/** What has to be done for an entry that is no directory; undefined when nothing has, or it goes with a batch. Failures of the source are recorded by the work itself. */
function startEntry(
  context: UploadContext,
  d: OpenDirectory,
  local: LocalEntry,
  relative: string,
  waiting: WaitingFiles,
): (() => Promise<void>) | undefined {
  const policy = d.policy.child(local.name)
  const errors = policy.effective.errorHandling
  if (local.failure !== undefined) {
    const ignored = (local.type === 'd' ? errors.ignoreDirectoryErrors : errors.ignoreFileErrors) ?? false
    recordFailure(context, d, relative, readError(local.failure), ignored)
    return undefined
  }
  if (local.type === '') {
    if (!(errors.ignoreUnknownTypes ?? true))
      recordFailure(context, d, relative, new EntryReadError('unknown or unsupported entry type'), false)
    return undefined
  }
  // What an earlier snapshot may have is asked for first.
  if (!d.earlier.findUnchanged(local) && waiting.add(local, relative, policy)) return undefined
  return () => uploadLeaf(context, d, local, relative, policy)
}

function recordFailure(context: UploadContext, d: OpenDirectory, relative: string, error: EntryReadError, ignored: boolean): void {
  if (error instanceof UploadStoppedError) return
  d.summary.addFailure({ path: storedName(relative), error: error.message }, ignored)
  if (ignored) context.counters.ignoredErrorCount++
  else context.counters.errorCount++
  context.observer.failed?.(relative, error, ignored)
  if (!ignored && context.request.failFast) context.stop.cancel()
}

async function uploadChild(
  context: UploadContext,
  d: OpenDirectory,
  local: LocalEntry,
  relative: string,
  policy: PolicyTree,
): Promise<void> {
  const progress = new DirectoryInProgress(entryFor(local), metadataCompressorOf(policy.effective))
  d.progress.addChild(progress)
  try {
    const path = childPath(d.path, local)
    const previous = d.earlier.children(local.name)
    const entry = await uploadDirectory(context, { path, relative, local, policy, parentRules: d.rules, previous, progress })
    d.progress.finished.push(entry)
  } catch (error) {
    if (!(error instanceof EntryReadError)) throw error
    recordFailure(context, d, relative, error, policy.effective.errorHandling.ignoreDirectoryErrors ?? false)
  } finally {
    d.progress.removeChild(progress)
  }
}

/** Puts the entry that a placeholder holds in place of it. Its failure is never ignored: what it stands for would be missing. */
async function takePlaceholder(
  context: UploadContext,
  d: OpenDirectory,
  local: LocalEntry,
  relative: string,
  scan: FolderScan,
): Promise<void> {
  try {
    d.progress.finished.push(await readPlaceholder(context.repository, childPath(d.path, local), local, scan.named(local.name)))
  } catch (error) {
    if (!(error instanceof EntryReadError)) throw error
    recordFailure(context, d, relative, error, false)
  }
}

async function uploadLeaf(
  context: UploadContext,
  d: OpenDirectory,
  local: LocalEntry,
  relative: string,
  policy: PolicyTree,
  isAnnounced = false,
): Promise<void> {
  const entry = entryFor(local)
  try {
    const known = isAnnounced ? undefined : await findReusable(context, d, entry)
    if (known !== undefined) {
      context.counters.cachedFileCount++
      context.counters.totalBytes += entry.sizeBytes
      context.observer.cached?.(relative, entry.sizeBytes)
      d.progress.finished.push({ ...entry, objectId: known })
      return
    }
    const uploaded =
      local.type === 's'
        ? await uploadSymlink(context, d, local, policy)
        : await uploadFile(context, d, local, relative, policy, isAnnounced)
    d.progress.finished.push({ ...entry, ...uploaded })
  } catch (error) {
    if (!(error instanceof EntryReadError)) throw error
    recordFailure(context, d, relative, error, d.policy.effective.errorHandling.ignoreFileErrors ?? false)
  }
}

/** Object of the same file in an earlier snapshot, when it can be counted on: a file whose contents have vanished from the storage
 *  is read again. */
async function findReusable(context: UploadContext, d: OpenDirectory, entry: DirectoryEntry): Promise<ObjectId | undefined> {
  const previous = d.earlier.findUnchanged(entry)
  if (!previous) return undefined
  const force = context.request.forceHashPercent ?? 0
  if (force > 0 && Math.random() * 100 < force) return undefined
  const id = previous.objectId as ObjectId
  return (await context.repository.objects.isPresent(id)) ? id : undefined
}
