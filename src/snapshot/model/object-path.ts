import { KuraError, UsageError } from '#base/errors.ts'
import { maxJsonBytes } from '#base/json-read.ts'
import { InvalidObjectIdError } from '#repo/object/errors.ts'
import type { ObjectId } from '#repo/object/object.ts'
import { parseObjectId as canonicalId, objectIdParts } from '#repo/object/object-id.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from './directory-entry.ts'
import { decodeDirectory } from './directory-json.ts'
import { PathNotFoundError, SnapshotNotFoundError } from './errors.ts'
import { rootEntryText } from './manifest-json.ts'
import type { Snapshot } from './snapshot.ts'
import { listSnapshots, loadSnapshot } from './snapshots.ts'

/** What a person named: the entry, and where it was found. */
export interface ResolvedTree {
  readonly entry: DirectoryEntry
  /** Below the root, '/'-separated; '' for the root itself. */
  readonly path: string
  /** Undefined when the ID was an object that is no snapshot's root. */
  readonly snapshot: Snapshot | undefined
}

export interface ResolveOptions {
  /** Refuse an object ID that is the root of snapshots with different attributes. */
  readonly consistent?: boolean
  /** Name of the file that a bare object ID stands for; "file" if absent. */
  readonly fileName?: string
}

const manifestIdForm = /^[0-9a-f]{32}$/

/** Canonical form of an object ID, or undefined if it is none. The empty ID is not accepted. Source: spec 03, 1.1. */
export function parseObjectId(text: string): ObjectId | undefined {
  try {
    return objectIdParts(text).content === '' ? undefined : canonicalId(text)
  } catch (error) {
    if (error instanceof InvalidObjectIdError) return undefined
    throw error
  }
}

/** True when the ID is that of a directory: without index markers, its content has the prefix `k`. */
export const isDirectoryId = (id: string): boolean => id.replace(/^I*/, '').startsWith('k')

/** Finds the entry that `ID[/path...]` names. The ID is a manifest ID, a root object ID, or any object ID. Throws UsageError for what is
 *  no ID, SnapshotNotFoundError, PathNotFoundError. Source: spec 03, 6.7; spec 06, 6.2. */
export async function resolveTree(repository: Repository, text: string, options: ResolveOptions = {}): Promise<ResolvedTree> {
  const [first = '', ...rest] = text.split('/')
  const names = rest.filter((n) => n !== '')
  const root = (await snapshotRoot(repository, first)) ?? (await objectRoot(repository, first, names.length === 0, options))
  const entry = await descend(repository, root.entry, names, text)
  return { entry, path: names.join('/'), snapshot: root.snapshot }
}

type Root = Pick<ResolvedTree, 'entry' | 'snapshot'>

/** The root of the snapshot with this manifest ID; undefined when there is none. Throws SnapshotNotFoundError for one without a root. */
export async function snapshotRoot(repository: Repository, id: string): Promise<Root | undefined> {
  if (!manifestIdForm.test(id)) return undefined
  let snapshot: Snapshot
  try {
    snapshot = await loadSnapshot(repository, id)
  } catch (error) {
    if (error instanceof KuraError && error.code === 'MANIFEST_NOT_FOUND') return undefined
    throw error
  }
  if (!snapshot.rootEntry || snapshot.rootEntry.objectId === '')
    throw new SnapshotNotFoundError(`snapshot ${id} has no root object, there is nothing to read`)
  return { entry: snapshot.rootEntry, snapshot }
}

async function objectRoot(repository: Repository, text: string, isWholePath: boolean, options: ResolveOptions): Promise<Root> {
  const id = parseObjectId(text)
  if (id === undefined) throw new UsageError(`"${text}" is neither a snapshot ID nor an object ID`)
  const found = (await listSnapshots(repository, { onDamaged: () => undefined })).filter((s) => s.rootEntry?.objectId === id)
  const first = found[0]
  if (!first) return { entry: await detectEntry(repository, id, options.fileName), snapshot: undefined }
  let chosen = first
  if (found.some((s) => rootEntryText(s) !== rootEntryText(first))) {
    if (options.consistent && isWholePath)
      throw new UsageError(`object ${id} is the root of ${found.length} snapshots with different attributes. Name one by its snapshot ID.`)
    for (const s of found) if (s.startNs > chosen.startNs) chosen = s
  }
  return { entry: chosen.rootEntry as DirectoryEntry, snapshot: chosen }
}

/** An object on its own as an entry: a directory `/` if it reads as one, else a file. Source: spec 03, 5.5. */
export async function detectEntry(repository: Repository, objectId: ObjectId, fileName = 'file'): Promise<DirectoryEntry> {
  const entry = { modifiedNs: 0n, uid: 0, gid: 0, objectId }
  if (isDirectoryId(objectId)) {
    try {
      decodeDirectory(await repository.objects.readAll(objectId, maxJsonBytes))
      return { ...entry, name: '/', type: 'd', mode: 0o555, sizeBytes: 0 }
    } catch (error) {
      if (!(error instanceof KuraError)) throw error
    }
  }
  return { ...entry, name: fileName, type: 'f', mode: 0o644, sizeBytes: await lengthOf(repository, objectId) }
}

async function lengthOf(repository: Repository, id: ObjectId): Promise<number> {
  try {
    const reader = await repository.objects.open(id)
    reader.close()
    return reader.sizeBytes
  } catch (error) {
    if (error instanceof KuraError) return 0
    throw error
  }
}

/** Walks down by exact names. Throws PathNotFoundError. `shown`: how errors name the whole path. */
export async function descend(
  repository: Repository,
  root: DirectoryEntry,
  names: readonly string[],
  shown: string,
): Promise<DirectoryEntry> {
  let entry = root
  for (const name of names) {
    if (entry.type !== 'd' || entry.objectId === '')
      throw new PathNotFoundError(`${shown}: "${entry.name}" is not a directory, so "${name}" cannot be in it`)
    const { entries } = decodeDirectory(await repository.objects.readAll(entry.objectId, maxJsonBytes))
    const next = entries.find((e) => e.name === name)
    if (!next) throw new PathNotFoundError(`${shown}: there is no "${name}" in "${entry.name}"`)
    entry = next
  }
  return entry
}
