import { mkdtemp, rmdir } from 'node:fs/promises'
import { tmpdir, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { messageOf, UsageError } from '#base/errors.ts'
import { MountBusyError, MountError } from '#fuse/errors.ts'
import { isRoot } from '#fuse/mount-linux.ts'
import { type FuseDriver, type FuseMount, rootNode } from '#fuse/operations.ts'
import { chooseDriver } from '#fuse/registry.ts'
import type { VfsFlag } from '#fuse/vfs-flags.ts'
import type { ObjectId } from '#repo/object/object.ts'
import { isDirect, type Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { resolveTree } from '#snapshot/model/object-path.ts'
import { parseSource } from '#snapshot/model/source-text.ts'
import { readStoredDirectory } from '#snapshot/tree/repository-tree.ts'
import { type ShownAs, SnapshotOperations } from './adapter.ts'
import { type BackupOptions, defaultSpoolDirectory, type OpenedOverlay, openOverlays } from './backup/open-overlay.ts'
import { BackupOperations } from './backup/operations.ts'
import { BareFolder, reopenFolder } from './bare-folder.ts'
import type { Control } from './control.ts'
import { ControlLevels, type ControlViews } from './control-levels.ts'
import { mountPointPath, removeDeadMount } from './dead-mount.ts'
import { FileReader } from './file-reader.ts'
import { holdersOf, holdersText } from './holders.ts'
import type { LinkPolicy } from './links.ts'
import { LiveLevels } from './live-levels.ts'
import { groupRow, type LiveTable } from './live-table.ts'
import { byteName } from './names.ts'
import { Router } from './router.ts'
import { SegmentCache } from './segment-cache.ts'
import { SnapshotLevels, type Stale } from './snapshot-levels.ts'
import { anchor, rootRow } from './snapshot-rows.ts'
import { Tables } from './tables.ts'
import { isVersionsId, Versions } from './versions.ts'
import { checkView } from './views.ts'

export interface SnapshotMountOptions {
  /** Let other users in. Default: when run by root, who else could not be told apart from them. */
  readonly allowOther?: boolean
  readonly allowNonEmpty?: boolean
  /** Told of each request. */
  readonly trace?: (line: string) => void
  /** Directories that are kept though nobody uses them, and entries in them. */
  readonly maxCachedDirectories?: number
  readonly maxCachedEntries?: number
  /** Plain file content kept in memory; a quarter of that in addition for `backup/`. Default: 256 MiB, less where memory is short. */
  readonly maxCachedBytes?: number
  /** How old a listing of snapshots may be. */
  readonly refreshMs?: number
  /** Longest wait for storage. */
  readonly timeoutMs?: number
  /** Default: as they are stored. */
  readonly links?: LinkPolicy
  readonly shownAs?: ShownAs | undefined
  /** Files in the root that tell indexers of desktops to stay out. */
  readonly noIndexing?: boolean
  readonly vfsFlags?: readonly VfsFlag[]
  /** Of `backup/`; see FuseMountOptions. */
  readonly writebackCache?: boolean
  /** Templates of more folders in `.kura/`. */
  readonly views?: readonly string[]
}

/** `backup/` (one source) or `backup/NAME/` (several), and the control files of `.kura/`. */
export interface WritablePart extends Omit<BackupOptions, 'timeoutMs' | 'maxCachedBytes' | 'warn'> {
  /** Called once with the opened overlays, before the mount is there. `refresh` makes it show at once what is new in the repository. */
  readonly controlOf: (overlays: readonly OpenedOverlay[], refresh: () => Promise<void>) => Control
  /** Called when the mount is gone, before the overlays are closed: the last chance to flush them. */
  readonly beforeClose?: () => Promise<void>
}

export interface SnapshotMountRequest {
  readonly repository: Repository
  /** 'all'; `ID[/path]` of a snapshot or directory object; `user@host:path`, the generations of one source. */
  readonly target: string
  /** A directory, or '*' for a new temporary one that is removed afterwards. */
  readonly mountPoint: string
  /** Name of a driver; undefined = the best that can be used here. */
  readonly driver?: string | undefined
  readonly options?: SnapshotMountOptions
  /** Aborted: unmount, lazily if files are open. */
  readonly signal?: AbortSignal
  /** What makes it a writable mount of everything; without it the mount is read-only. */
  readonly writable?: WritablePart
  /** Told one line for each thing that a person should know. */
  readonly warn?: (line: string) => void
}

export interface SnapshotMount {
  readonly mountPoint: string
  readonly driver: string
  /** Directories in memory now, for diagnostics. */
  readonly directoryCount: number
  /** Resolves when the mount is gone, by whomever. */
  readonly done: Promise<void>
  unmount(options?: { readonly lazy?: boolean }): Promise<void>
}

const defaults = {
  maxCachedDirectories: 2_000,
  maxCachedEntries: 200_000,
  maxCachedBytes: Math.min(256 << 20, Math.max(64 << 20, totalmem() / 16)),
  refreshMs: 3_000,
  timeoutMs: 60_000,
}
const refreshWaitMs = 1_500
/** Damaged things that are reported one by one. */
const maxReports = 1_000

/** Shows snapshots as directories, read-only. Resolves when the mount is there. MountError, UsageError, SnapshotNotFoundError,
 *  PathNotFoundError, and the repository's errors. Source: spec 08, 1.3. */
export async function mountSnapshots(request: SnapshotMountRequest): Promise<SnapshotMount> {
  const { warn = () => undefined } = request
  const options = { ...defaults, ...request.options }
  const driver = await chooseDriver(request.driver)
  const isTemporary = request.mountPoint === '*'
  const mountPoint = isTemporary ? await mkdtemp(join(tmpdir(), 'kura-mount-')) : await mountPointPath(request.mountPoint)
  refuseOwnStorage(request.repository, mountPoint)
  refuseOwnSpool(request.writable, mountPoint)
  if (await removeDeadMount(mountPoint)) warn(`${mountPoint}: removed a mount whose process had ended.`)

  let mount: FuseMount | undefined
  const { tree, renew } = await buildTree(request, options, warn, (stale) => {
    for (const { node, name } of stale) mount?.invalidateEntry(node, name)
  })
  const allowOther = options.allowOther ?? isRoot()
  const overlays = driver.isReadOnly && request.writable ? tellReadOnly(driver, warn) : await openWritable(request, options, warn)
  const operations = overlays === undefined ? tree : withOverlays(tree, overlays, request, renew)
  const closeOverlays = async (): Promise<void> => {
    for (const { staging } of overlays ?? []) await staging.close()
  }
  const below = overlays === undefined ? undefined : await BareFolder.open(mountPoint)
  if (overlays === undefined) await reopenFolder(mountPoint).catch(() => false) // a writable mount that was killed may have closed it
  const mounting = driver.mount(operations, {
    mountPoint,
    sourceName: 'kura',
    readOnly: overlays === undefined,
    allowOther,
    defaultPermissions: allowOther || overlays !== undefined,
    allowNonEmpty: overlays === undefined && (options.allowNonEmpty ?? false),
    vfsFlags: options.vfsFlags,
    writebackCache: overlays !== undefined && options.writebackCache === true,
    trace: options.trace,
    report: reporter(warn),
  })
  mount = await mounting.catch(async (error: unknown) => {
    await below?.release()
    await closeOverlays()
    throw error
  })
  await below?.shut()
  const ended = mount.done.finally(async () => {
    try {
      await request.writable?.beforeClose?.()
    } finally {
      await closeOverlays()
      await below?.release()
    }
  })
  const done = isTemporary ? ended.finally(() => rmdir(mountPoint).catch(() => undefined)) : ended
  unmountOnAbort(mount, request.signal, mountPoint, warn)
  return {
    mountPoint,
    driver: driver.name,
    done,
    get directoryCount() {
      return tree.directoryCount
    },
    unmount: (o) => (mount as FuseMount).unmount(o),
  }
}

function tellReadOnly({ name }: FuseDriver, warn: (line: string) => void): undefined {
  warn(`the driver ${name} can only read: the mount has no backup/. With --driver kernel it has.`)
}

async function openWritable(
  { repository, target, writable }: SnapshotMountRequest,
  { timeoutMs, maxCachedBytes }: typeof defaults,
  warn: (line: string) => void,
): Promise<OpenedOverlay[] | undefined> {
  if (writable === undefined || repository.client.readOnly) return undefined
  if (target !== 'all') throw new UsageError(`Cannot mount ${target} writable: backup/ is beside all snapshots. Mount "all" instead.`)
  return openOverlays(repository, { ...writable, timeoutMs, maxCachedBytes: maxCachedBytes / 4, warn })
}

function withOverlays(
  tree: SnapshotOperations,
  overlays: readonly OpenedOverlay[],
  request: SnapshotMountRequest,
  renew: () => Promise<void>,
): Router {
  const { clock } = request.repository
  const control = (request.writable as WritablePart).controlOf(overlays, renew)
  const named = overlays.map(({ name, staging }) => ({ name: byteName(name), operations: new BackupOperations(staging, rootNode) }))
  const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
  return new Router(tree, named, { control, owner, nowSeconds: () => Math.floor(clock.nowMs() / 1000) })
}

/** A mount over the folders that it is served from would wait for itself. */
function refuseOwnStorage(repository: Repository, mountPoint: string): void {
  if (!isDirect(repository)) return
  const storagePath = /^Filesystem: (\/.*)$/.exec(repository.blobs.displayName)?.[1]
  for (const path of [storagePath, repository.cacheDirectory])
    if (path !== undefined && `${path}/`.startsWith(`${mountPoint}/`))
      throw new MountError(`Cannot mount on ${mountPoint}: ${path}, which the mount reads from, is in it. Choose another directory.`)
}

/** A spool on the mount itself would be written through itself. */
function refuseOwnSpool(writable: WritablePart | undefined, mountPoint: string): void {
  if (writable === undefined) return
  const spool = resolve(writable.spoolDirectory ?? defaultSpoolDirectory())
  if (`${spool}/`.startsWith(`${mountPoint}/`))
    throw new MountError(`Cannot mount on ${mountPoint}: the spool ${spool} is in it. Choose another directory for one of them.`)
}

function unmountOnAbort(mount: FuseMount, signal: AbortSignal | undefined, mountPoint: string, warn: (line: string) => void): void {
  const unmount = async (): Promise<void> => {
    try {
      await mount.unmount()
    } catch (error) {
      if (!(error instanceof MountBusyError)) return warn(messageOf(error))
      const held = holdersText(holdersOf(mountPoint))
      warn(`${mountPoint}: files are in use; detached now, the mount ends when they are closed.${held}`)
      await mount.unmount({ lazy: true }).catch((e: unknown) => warn(messageOf(e)))
    }
  }
  if (signal?.aborted) void unmount()
  else signal?.addEventListener('abort', () => void unmount(), { once: true })
}

/** One line per damaged thing, up to a limit. */
function reporter(warn: (line: string) => void): (what: string, error: unknown) => void {
  const told = new Set<string>()
  return (what, error) => {
    const line = `${what}: ${messageOf(error)}`
    if (told.has(line) || told.size >= maxReports) return
    told.add(line)
    warn(line)
  }
}

type Invalidate = (stale: readonly { readonly node: number; readonly name: string }[]) => void

async function buildTree(
  { repository, target }: SnapshotMountRequest,
  options: typeof defaults & Pick<SnapshotMountOptions, 'links' | 'views' | 'shownAs' | 'noIndexing'>,
  warn: (line: string) => void,
  invalidate: Invalidate,
): Promise<{ readonly tree: SnapshotOperations; readonly renew: () => Promise<void> }> {
  const readDirectory = async (id: ObjectId): Promise<readonly DirectoryEntry[]> => (await readStoredDirectory(repository, id)).entries
  const versions = new Versions(readDirectory)
  const tables = new Tables((id) => (isVersionsId(id) ? versions.entries(id) : readDirectory(id)), {
    maxIdleDirectories: options.maxCachedDirectories,
    maxIdleEntries: options.maxCachedEntries,
    timeoutMs: options.timeoutMs,
  })
  // Replies are written in the turn of the event loop that gets their bytes.
  const segments = new SegmentCache(options.maxCachedBytes, options.maxCachedBytes / 2, { reusesMemory: true })
  const reader = new FileReader(repository.objects, segments, options.timeoutMs)
  const views = { templates: (options.views ?? []).map(checkView), versions, hasMarkers: options.noIndexing === true }
  const live = await plantRoot(repository, target, tables, views, options.refreshMs, warn, invalidate)
  const onLiveVisit = (): Promise<void> | undefined => live?.visit()
  const renew = async (): Promise<void> => live?.renew()
  return {
    tree: new SnapshotOperations(tables, reader, {
      onLiveVisit,
      links: options.links ?? 'as-is',
      shownAs: options.shownAs,
      report: reporter(warn),
    }),
    renew,
  }
}

/** Puts the root where the target says; returns the levels that change, where there are any. */
async function plantRoot(
  repository: Repository,
  target: string,
  tables: Tables,
  views: ControlViews,
  refreshMs: number,
  warn: (line: string) => void,
  invalidate: Invalidate,
): Promise<LiveLevels | undefined> {
  const isSource = target.includes('@')
  if (target !== 'all' && !isSource) {
    const { entry } = await resolveTree(repository, target)
    if (entry.type !== 'd') throw new UsageError(`Cannot mount ${target}: it is a file. Name the directory that it is in, or restore it.`)
    tables.add(anchor(rootRow('', target, entry)))
    return undefined
  }
  const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
  const source = isSource ? parseSource(target, { user: repository.client.username, host: repository.client.hostname }) : undefined
  const levels = new SnapshotLevels(tables, owner, source, new ControlLevels(owner, views))
  const live = new LiveLevels(repository, {
    refreshMs,
    waitMs: refreshWaitMs,
    clock: repository.clock,
    onChange: (snapshots) => invalidate(nodesOf(levels, levels.update(snapshots))),
    onError: (error) => warn(`the list of snapshots cannot be brought up to date: ${messageOf(error)}`),
  })
  await live.start()
  tables.add(anchor(groupRow('', levels.root, levels.newestNs, owner)))
  return live
}

const nodesOf = (levels: SnapshotLevels, stale: readonly Stale[]): { node: number; name: string }[] =>
  stale.flatMap(({ table, name }) => {
    const node = levels.nodeOf(table as LiveTable)
    return node === undefined ? [] : [{ node, name }]
  })

export { unmountAt } from './dead-mount.ts'
