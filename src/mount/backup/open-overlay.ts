import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, statfsSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { UsageError } from '#base/errors.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { listSnapshots } from '#snapshot/model/snapshots.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { formatSource, parseSource, sameSource } from '#snapshot/model/source-text.ts'
import { noteError } from '../flush/error-log.ts'
import type { FlushError } from '../flush/flusher.ts'
import { flushKept } from '../flush/kept.ts'
import { maxOverlays, overlayNode } from '../node-ranges.ts'
import { discardStaging, inspectStaging } from '../staging/inspect.ts'
import { journalPath } from '../staging/journal.ts'
import { openStaging } from '../staging/open.ts'
import type { LowerTree, Staging, StagingOptions } from '../staging/staging.ts'
import { lowerTree } from './lower-tree.ts'
import { spoolSecret } from './spool-secret.ts'

export interface BackupOptions {
  /** `user@host:path` each; empty: `<user>@<host>:/backup`. */
  readonly sources: readonly string[]
  /** Identifies the repository: what was staged for one is never flushed into another. */
  readonly repositoryId: string
  /** Folder of the spools; each source has a folder of its own in it. Default: of the user's state (XDG base directories). */
  readonly spoolDirectory?: string | undefined
  /** Default: what the disk has. */
  readonly spoolLimitBytes?: number | undefined
  /** Left free on the disk of the spool. Default: 5 % of it, at most 2 GiB. */
  readonly spoolReserveBytes?: number | undefined
  readonly xattrs: StagingOptions['xattrs']
  readonly takeOver: boolean
  /** Encrypt what is kept in the spool. */
  readonly encrypt?: boolean
  /** What a new overlay begins as, if not as the newest snapshot: empty, or as another snapshot of its source. */
  readonly from?: 'empty' | { readonly snapshotId: string } | undefined
  /** Put what is found staged onto the newest snapshot of its source. */
  readonly rebase?: boolean
  readonly timeoutMs: number
  readonly maxCachedBytes: number
  readonly warn: (line: string) => void
}

export interface OpenedOverlay {
  /** Name below `backup/` where there are several. */
  readonly name: string
  readonly source: SourceInfo
  readonly directory: string
  readonly staging: Staging
  /** The newest snapshot that was known when it was opened: no surprise to a flush. */
  readonly knownId: string | undefined
  /** What was found wrong with it when it was opened. */
  readonly found: readonly FlushError[]
}

const defaultPath = '/backup'
const maxReserveBytes = 2 ** 31
const reservedShare = 0.05

/** Opens the overlays of a writable mount, each over the newest complete snapshot of its source. UsageError for a source named twice or two
 *  of the same name; StagingError for one that is in use. All or none are open. */
export async function openOverlays(repository: Repository, options: BackupOptions): Promise<OpenedOverlay[]> {
  const { username: user, hostname: host } = repository.client
  const texts = options.sources.length === 0 ? [`${user}@${host}:${defaultPath}`] : options.sources
  const sources = texts.map((text) => parseSource(text, { user, host }))
  refuseEqual(sources)
  const lower = lowerTree(repository, options)
  const opened: OpenedOverlay[] = []
  try {
    for (const [index, source] of sources.entries()) opened.push(await openOverlay(repository, source, index, options, lower))
    return opened
  } catch (error) {
    for (const { staging } of opened) await staging.close()
    throw error
  }
}

const nameOf = (source: SourceInfo): string => basename(source.path) || source.host

function refuseEqual(sources: readonly SourceInfo[]): void {
  if (sources.length > maxOverlays) throw new UsageError(`At most ${maxOverlays} sources can be in one mount; give fewer --backup-source.`)
  for (const [index, source] of sources.entries()) {
    const other = sources.slice(0, index).find((s) => nameOf(s) === nameOf(source))
    if (other === undefined) continue
    const text = formatSource(source)
    if (sameSource(other, source)) throw new UsageError(`${text} is given twice as --backup-source. Give it once.`)
    throw new UsageError(`${formatSource(other)} and ${text} would both be backup/${nameOf(source)}. Mount them one by one.`)
  }
}

async function openOverlay(
  repository: Repository,
  source: SourceInfo,
  index: number,
  options: BackupOptions,
  lower: LowerTree,
): Promise<OpenedOverlay> {
  const all = await listSnapshots(repository, {
    source,
    onDamaged: (id) => options.warn(`snapshot ${id} cannot be read and is passed over.`),
  })
  const newest = all.findLast((s) => !s.incomplete && s.rootEntry?.type === 'd')
  const text = formatSource(source)
  const begin = options.from === undefined ? newest : beginning(all, options.from, text)
  const root = begin?.rootEntry
  const directory = join(options.spoolDirectory ?? defaultSpoolDirectory(), spoolName(options.repositoryId, text))
  const { xattrs, takeOver, warn, repositoryId, encrypt = false } = options
  const space = spoolSpace(directory, options)
  if (options.from === undefined) await rebaseFound(repository, directory, all, newest, options)
  else makeWay(directory, text)
  if (encrypt) replaceUnencrypted(directory)
  const found: FlushError[] = []
  const tell = (message: string): void => {
    const error = { timeMs: repository.clock.nowMs(), code: 'RECOVERY', message }
    found.push(error)
    noteError(directory, error)
    warn(message)
  }
  const staging = await openStaging(
    {
      directory,
      repositoryId,
      source: text,
      lower:
        begin === undefined || root === undefined || root.objectId === ''
          ? undefined
          : { snapshotId: begin.id, rootObject: root.objectId, root },
      xattrs,
      ...space,
      owner: { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 },
      takeOver,
      encrypt,
      secret: spoolSecret(repository),
      firstNode: overlayNode(index),
      nowNs: () => repository.clock.nowNs(),
      warn: tell,
    },
    lower,
  )
  return { name: nameOf(source), source, directory, staging, knownId: newest?.id, found }
}

/** The snapshot that the person chose; undefined for none. */
function beginning(all: readonly Snapshot[], from: NonNullable<BackupOptions['from']>, source: string): Snapshot | undefined {
  if (from === 'empty') return undefined
  const found = all.find((s) => s.id === from.snapshotId && s.rootEntry?.type === 'd')
  if (found === undefined) throw new UsageError(`${from.snapshotId} is no snapshot of ${source}. See "kura snapshot list --manifest-id".`)
  return found
}

/** An overlay that was there goes, if nothing is lost by it. */
function makeWay(directory: string, source: string): void {
  if (!existsSync(journalPath(directory))) return
  const { dirtyNodes, leftOutNodes } = inspectStaging(directory)
  if (dirtyNodes + leftOutNodes > 0)
    throw new UsageError(
      `backup/ of ${source} has ${dirtyNodes + leftOutNodes} changes that are in no snapshot, so it cannot begin anew. Save them with "kura staging flush", or throw them away with "kura staging discard".`,
    )
  discardStaging(directory)
}

/** An unencrypted overlay in which nothing waits makes room for an encrypted one. */
function replaceUnencrypted(directory: string): void {
  if (!existsSync(journalPath(directory))) return
  const { dirtyNodes, leftOutNodes, isEncrypted } = inspectStaging(directory)
  if (!isEncrypted && dirtyNodes + leftOutNodes === 0) discardStaging(directory)
}

/** Spec 08, 4.9. */
function spoolSpace(directory: string, options: BackupOptions): { readonly spoolLimitBytes: number; readonly spoolReserveBytes: number } {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const { bsize, blocks, bavail } = statfsSync(directory)
  const spoolReserveBytes = options.spoolReserveBytes ?? Math.min(maxReserveBytes, Math.floor(bsize * blocks * reservedShare))
  const freeBytes = Math.max(0, bsize * bavail - spoolReserveBytes)
  return { spoolLimitBytes: options.spoolLimitBytes ?? freeBytes, spoolReserveBytes }
}

/** What was staged on a snapshot that is not the newest any more goes onto the newest one before the mount, when the person says so, or when
 *  the snapshot is gone and nothing waits. Else it stays where it is. Source: spec 08, 4.10. */
async function rebaseFound(
  repository: Repository,
  directory: string,
  snapshots: readonly Snapshot[],
  newest: Snapshot | undefined,
  options: BackupOptions,
): Promise<void> {
  if (newest === undefined || !existsSync(journalPath(directory))) return
  const report = inspectStaging(directory)
  const { lowerSnapshotId, dirtyNodes, source } = report
  if (lowerSnapshotId === newest.id) return
  const isGone = lowerSnapshotId !== undefined && !snapshots.some((s) => s.id === lowerSnapshotId)
  if (!options.rebase && !(isGone && dirtyNodes === 0)) {
    options.warn(
      `${source} got the snapshot ${newest.id} from elsewhere; backup/ does not show it. To put what is staged onto it, mount with --rebase.`,
    )
    return
  }
  const { repositoryId, takeOver, warn } = options
  const { snapshot } = await flushKept(repository, report, { repositoryId, takeOver, warn, rebase: true, keepRubbish: false })
  warn(`What was staged for ${source} was put onto the newest snapshot; the result is ${snapshot.id}.`)
}

/** What is staged is state, not cache: it must outlive the clearing of caches (XDG base directory specification). */
export const defaultSpoolDirectory = (): string =>
  join(process.env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'kura', 'staging')

/** A folder for each repository and source. */
const spoolName = (repositoryId: string, source: string): string =>
  createHash('sha256').update(`${repositoryId}\0${source}`).digest('hex').slice(0, 24)
