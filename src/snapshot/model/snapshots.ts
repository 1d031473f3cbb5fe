import { KuraError, UsageError } from '#base/errors.ts'
import { mapLimited } from '#base/limit.ts'
import { DamagedManifestError } from '#repo/manifest/errors.ts'
import type { Labels, ManifestInfo } from '#repo/manifest/manifest.ts'
import type { Repository } from '#repo/repository/repository.ts'
import { SnapshotFormatError } from './errors.ts'
import { decodeSnapshot, encodeSnapshot } from './manifest-json.ts'
import type { Snapshot } from './snapshot.ts'
import type { SourceInfo } from './source.ts'
import { compareSources, formatSource } from './source-text.ts'

const manifestType = 'snapshot'
const ownLabels: ReadonlySet<string> = new Set(['type', 'hostname', 'username', 'path'])
const parallelLoads = 50
const maxDescriptionBytes = 1024

/** Labels of a source's snapshots. Empty parts are left out, so `{user, host, path: ''}` matches all of user@host. */
function sourceLabels(source: SourceInfo): Labels {
  return {
    ...(source.host === '' ? {} : { hostname: source.host }),
    ...(source.user === '' ? {} : { username: source.user }),
    ...(source.path === '' ? {} : { path: source.path }),
  }
}

export interface SnapshotFilter {
  /** Empty parts match anything. */
  readonly source?: SourceInfo
  /** Keys with their `tag:` prefix. */
  readonly tags?: Readonly<Record<string, string>>
  /** Told of manifests that cannot be read; they are left out. Without it the first one is thrown. */
  readonly onDamaged?: (id: string, error: unknown) => void
}

/** Snapshots, oldest first (start time, then end time). Throws SnapshotFormatError unless `onDamaged` is given.
 *  Source: spec 03, 6.1 and 6.5. */
export async function listSnapshots(repository: Repository, filter: SnapshotFilter = {}): Promise<Snapshot[]> {
  const labels = { ...(filter.source ? sourceLabels(filter.source) : {}), ...filter.tags, type: manifestType }
  return sortByTime(await loadAll(repository, await repository.manifests.find(labels), filter.onDamaged))
}

/** Snapshots with these manifest IDs, in that order, without the damaged ones when `onDamaged` is given. */
async function loadAll(
  repository: Repository,
  infos: readonly ManifestInfo[],
  onDamaged: SnapshotFilter['onDamaged'],
): Promise<Snapshot[]> {
  const loaded = await mapLimited(infos, parallelLoads, async ({ id }) => {
    try {
      return decodeSnapshot(id, (await repository.manifests.get(id)).payload)
    } catch (error) {
      // Deleted by someone else since it was listed.
      if (error instanceof KuraError && error.code === 'MANIFEST_NOT_FOUND') return undefined
      if (!onDamaged || !(error instanceof SnapshotFormatError || error instanceof DamagedManifestError)) throw error
      onDamaged(id, error)
      return undefined
    }
  })
  return loaded.filter((s) => s !== undefined)
}

const compareNs = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0)

/** Start time, then end time, oldest first; equal ones keep their order. */
export const sortByTime = (snapshots: readonly Snapshot[]): Snapshot[] =>
  snapshots.toSorted((a, b) => compareNs(a.startNs, b.startNs) || compareNs(a.endNs, b.endNs))

/** The snapshot with this manifest ID. Throws ManifestNotFoundError, and SnapshotFormatError if it is a manifest of another type. */
export async function loadSnapshot(repository: Repository, id: string): Promise<Snapshot> {
  const { info, payload } = await repository.manifests.get(id)
  if (info.labels['type'] !== manifestType) throw new SnapshotFormatError(`manifest ${id} is not a snapshot`)
  return decodeSnapshot(id, payload)
}

/** Saves under a new ID, which is returned; pending until the repository is flushed. Throws UsageError for an incomplete source, a tag
 *  that is named like one of the manifest's own labels, or a description of more than 1024 bytes. Source: spec 03, 6.1. */
export async function saveSnapshot(repository: Repository, snapshot: Snapshot): Promise<string> {
  const { source, tags } = snapshot
  if (source.host === '' || source.user === '' || source.path === '')
    throw new UsageError(`cannot save a snapshot of ${formatSource(source)}: user, host and path are all needed`)
  for (const key of Object.keys(tags))
    if (ownLabels.has(key)) throw new UsageError(`cannot save the snapshot: a tag must not be named "${key}"`)
  if (Buffer.byteLength(snapshot.description) > maxDescriptionBytes)
    throw new UsageError(`cannot save the snapshot: its description is longer than ${maxDescriptionBytes} bytes`)
  return repository.manifests.put({ ...tags, ...sourceLabels(source), type: manifestType }, encodeSnapshot(snapshot))
}

/** Replaces the stored manifest by a changed one: saved under a new ID (returned), then the old ID is deleted. */
export async function updateSnapshot(repository: Repository, snapshot: Snapshot): Promise<string> {
  const id = await saveSnapshot(repository, snapshot)
  if (snapshot.id !== '') await repository.manifests.delete(snapshot.id)
  return id
}

/** Deletes the manifest; the data goes with later maintenance. Pins are not looked at. */
export const deleteSnapshot = (repository: Repository, id: string): Promise<void> => repository.manifests.delete(id)

/** Sources that have at least one snapshot, in order of their text forms; read from labels alone. */
export async function listSources(repository: Repository): Promise<SourceInfo[]> {
  const sources = new Map<string, SourceInfo>()
  for (const { labels } of await repository.manifests.find({ type: manifestType })) {
    const source = { user: labels['username'] ?? '', host: labels['hostname'] ?? '', path: labels['path'] ?? '' }
    sources.set(formatSource(source), source)
  }
  return [...sources.values()].sort(compareSources)
}

export interface SourceGroup {
  readonly source: SourceInfo
  readonly snapshots: Snapshot[]
}

/** One group per source in order of their text forms, each oldest first (spec 03, 6.5). */
export function groupBySource(snapshots: readonly Snapshot[]): SourceGroup[] {
  const groups = new Map<string, { source: SourceInfo; snapshots: Snapshot[] }>()
  for (const s of sortByTime(snapshots)) {
    const key = formatSource(s.source)
    const group = groups.get(key)
    if (group) group.snapshots.push(s)
    else groups.set(key, { source: s.source, snapshots: [s] })
  }
  return [...groups.values()].sort((a, b) => compareSources(a.source, b.source))
}

/** Earlier snapshots whose unchanged files an upload of `source` may take over: the newest complete one first, then the incomplete ones
 *  that began after it. Only those whose root is a directory. `noLaterThanNs` limits their start times.
 *  Source: spec 03, 6.4; spec 07, 7.1.3. */
export async function findPrevious(
  repository: Repository,
  source: SourceInfo,
  options: { readonly noLaterThanNs?: bigint; readonly onDamaged?: SnapshotFilter['onDamaged'] } = {},
): Promise<Snapshot[]> {
  const infos = await repository.manifests.find({ ...sourceLabels(source), type: manifestType })
  const all = await loadAll(repository, infos, options.onDamaged)
  return choosePrevious(all, options.noLaterThanNs)
}

/** The choice of findPrevious, among all snapshots of one source in the order that the manifest store lists them. */
export function choosePrevious(all: readonly Snapshot[], noLaterThanNs?: bigint): Snapshot[] {
  const eligible = noLaterThanNs === undefined ? all : all.filter((s) => s.startNs <= noLaterThanNs)
  let complete: Snapshot | undefined
  for (const s of eligible) if (!s.incomplete && (!complete || s.startNs > complete.startNs)) complete = s
  const chosen = eligible.filter((s) => s.incomplete && (!complete || s.startNs > complete.startNs))
  if (complete) chosen.unshift(complete)
  return chosen.filter((s) => s.rootEntry?.type === 'd')
}

/** Snapshots that `text` names for pin, delete, expire and the like: a manifest ID, else a root object ID that all of them share.
 *  Empty if there is none. Source: spec 03, 6.7. */
export async function findSnapshotsById(repository: Repository, text: string): Promise<Snapshot[]> {
  const all = await listSnapshots(repository, { onDamaged: () => undefined })
  const byId = all.find((s) => s.id === text)
  return byId ? [byId] : all.filter((s) => s.rootEntry !== undefined && s.rootEntry.objectId === text && text !== '')
}
