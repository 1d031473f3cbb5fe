import { UsageError } from '#base/errors.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { readDirectory } from '#snapshot/tree/repository-tree.ts'

export type DiffEvent =
  | { readonly kind: 'added' | 'removed'; readonly path: string; readonly entry: DirectoryEntry }
  | {
      readonly kind: 'attribute'
      readonly path: string
      readonly what: DiffAttribute
      readonly before: DirectoryEntry
      readonly after: DirectoryEntry
    }
  /** Both are files, and their contents differ. */
  | { readonly kind: 'changed'; readonly path: string; readonly before: DirectoryEntry; readonly after: DirectoryEntry }
  | { readonly kind: 'type'; readonly path: string; readonly before: DirectoryEntry; readonly after: DirectoryEntry }

export type DiffAttribute = 'modes' | 'sizes' | 'modification times' | 'owner users' | 'owner groups'

/** Counters in the order of Kopia's JSON (spec 07, 7.7.1). */
export interface DiffCounters {
  added: number
  removed: number
  modified: number
  sameContentButDifferentMetadata: number
  sameContentButDifferentMode: number
  sameContentButDifferentModificationTime: number
  sameContentButDifferentUserOwner: number
  sameContentButDifferentGroupOwner: number
}

export interface DiffStatistics {
  readonly fileEntries: DiffCounters
  readonly directoryEntries: DiffCounters
}

const newCounters = (): DiffCounters => ({
  added: 0,
  removed: 0,
  modified: 0,
  sameContentButDifferentMetadata: 0,
  sameContentButDifferentMode: 0,
  sameContentButDifferentModificationTime: 0,
  sameContentButDifferentUserOwner: 0,
  sameContentButDifferentGroupOwner: 0,
})

const attributes: readonly (readonly [DiffAttribute, (e: DirectoryEntry) => number | bigint])[] = [
  ['modes', (e) => e.mode],
  ['sizes', (e) => e.sizeBytes],
  ['modification times', (e) => e.modifiedNs],
  ['owner users', (e) => e.uid],
  ['owner groups', (e) => e.gid],
]

interface Run {
  readonly repository: Repository
  readonly emit: (event: DiffEvent) => void | Promise<void>
  readonly statistics: DiffStatistics
}

/** Compares two directories of the repository, depth first: the entries of the second in stored order, then those only in the first.
 *  Equal object IDs are not entered. `emit` is awaited. Throws UsageError for two files or a mixture. Source: spec 07, 7.7.1. */
export async function diffTrees(
  repository: Repository,
  before: DirectoryEntry,
  after: DirectoryEntry,
  emit: (event: DiffEvent) => void | Promise<void>,
): Promise<DiffStatistics> {
  if (before.type !== 'd' && after.type !== 'd')
    throw new UsageError('comparing two files is not possible; name the directories that they are in')
  if (before.type !== 'd' || after.type !== 'd') throw new UsageError('a directory can only be compared with a directory')
  const run: Run = { repository, emit, statistics: { fileEntries: newCounters(), directoryEntries: newCounters() } }
  await compare(run, before, after, '.')
  return run.statistics
}

const countersOf = (run: Run, entry: DirectoryEntry): DiffCounters =>
  entry.type === 'd' ? run.statistics.directoryEntries : run.statistics.fileEntries

async function compare(run: Run, before: DirectoryEntry | undefined, after: DirectoryEntry | undefined, path: string): Promise<void> {
  if (before && after) return compareBoth(run, before, after, path)
  const entry = before ?? after
  if (!entry) return
  const kind = before ? 'removed' : 'added'
  countersOf(run, entry)[kind]++
  await run.emit({ kind, path, entry })
  if (entry.type === 'd') await compareChildren(run, before, after, path)
}

async function compareBoth(run: Run, before: DirectoryEntry, after: DirectoryEntry, path: string): Promise<void> {
  if (before.objectId !== '' && before.objectId === after.objectId) {
    countSameContent(countersOf(run, before), before, after)
    return
  }
  const different = attributes.filter(([, value]) => value(before) !== value(after))
  for (const [what] of different) await run.emit({ kind: 'attribute', path, what, before, after })
  const bothDirectories = before.type === 'd' && after.type === 'd'
  const counters = bothDirectories ? run.statistics.directoryEntries : run.statistics.fileEntries
  if (different.length > 0) counters.modified++
  if (bothDirectories) return compareChildren(run, before, after, path)
  if (before.type === 'd' || after.type === 'd') return run.emit({ kind: 'type', path, before, after })
  if (before.type === 'f' && after.type === 'f') {
    counters.modified++
    await run.emit({ kind: 'changed', path, before, after })
  }
}

function countSameContent(counters: DiffCounters, before: DirectoryEntry, after: DirectoryEntry): void {
  const mode = before.mode !== after.mode
  const time = before.modifiedNs !== after.modifiedNs
  const user = before.uid !== after.uid
  const group = before.gid !== after.gid
  if (mode) counters.sameContentButDifferentMode++
  if (time) counters.sameContentButDifferentModificationTime++
  if (user) counters.sameContentButDifferentUserOwner++
  if (group) counters.sameContentButDifferentGroupOwner++
  if (mode || time || user || group) counters.sameContentButDifferentMetadata++
}

async function compareChildren(
  run: Run,
  before: DirectoryEntry | undefined,
  after: DirectoryEntry | undefined,
  path: string,
): Promise<void> {
  const [old, now] = await Promise.all([entriesOf(run.repository, before), entriesOf(run.repository, after)])
  const oldByName = new Map(old.map((e) => [e.name, e]))
  const seen = new Set<string>()
  for (const entry of now) {
    seen.add(entry.name)
    await compare(run, oldByName.get(entry.name), entry, `${path}/${entry.name}`)
  }
  for (const entry of old) if (!seen.has(entry.name)) await compare(run, entry, undefined, `${path}/${entry.name}`)
}

async function entriesOf(repository: Repository, entry: DirectoryEntry | undefined): Promise<readonly DirectoryEntry[]> {
  return entry ? (await readDirectory(repository, entry.objectId as ObjectId)).entries : []
}
