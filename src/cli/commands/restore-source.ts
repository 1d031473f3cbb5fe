import { CommandError } from '#cli/exit.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'

export interface RestoreSource {
  readonly entry: DirectoryEntry
  /** Where a path was found; undefined when an ID was named. */
  readonly origin:
    | { readonly sourceText: string; readonly startNs: bigint; readonly relativePath: string; readonly objectId: string }
    | undefined
}

export interface RestoreSourceOptions {
  /** The source is also the target, so it must be one of this client. */
  readonly isInPlace: boolean
  readonly snapshotTime: string
  readonly consistent: boolean
}

/** Finds what to restore: an object path, or a source path in the newest snapshot that holds it (spec 06, 7.1). Throws CommandError. */
export async function resolveRestoreSource(repository: Repository, text: string, options: RestoreSourceOptions): Promise<RestoreSource> {
  const [{ parseObjectId, resolveTree }, { formatSource, parseSource }] = await Promise.all([
    import('#snapshot/model/object-path.ts'),
    import('#snapshot/model/source-text.ts'),
  ])
  const first = text.split('/', 1)[0] as string
  if (!options.isInPlace && first !== '' && parseObjectId(first) !== undefined) {
    const { entry } = await resolveTree(repository, text, { consistent: options.consistent })
    return { entry, origin: undefined }
  }
  const { username: user, hostname: host } = repository.client
  const source = parseSource(text, { user, host })
  if (source.path === '') throw new CommandError(`the source ${text} must contain a path element`)
  if (options.isInPlace && (source.user !== user || source.host !== host))
    throw new CommandError(`${text} belongs to ${formatSource(source)}: name a target to restore it here`)
  const { snapshot, relativePath, objectId } = await findInSnapshots(repository, source, options.snapshotTime)
  // By its ID, as the reference does: a path inside a snapshot comes without attributes of its own.
  const { entry } = await resolveTree(repository, objectId, { consistent: false })
  return { entry, origin: { sourceText: formatSource(snapshot.source), startNs: snapshot.startNs, relativePath, objectId } }
}

interface Found {
  readonly snapshot: Snapshot
  readonly startNs: bigint
  readonly relativePath: string
  readonly objectId: ObjectId
}

async function findInSnapshots(repository: Repository, source: SourceInfo, time: string): Promise<Found> {
  const [{ chooseSnapshot, parseSnapshotTime }, { formatSource }] = await Promise.all([
    import('#snapshot/model/snapshot-time.ts'),
    import('#snapshot/model/source-text.ts'),
  ])
  const choice = parseSnapshotTime(time, repository.clock.nowMs())
  const chosen = chooseSnapshot(await candidates(repository, source), choice)
  if (!chosen) throw new CommandError(`no snapshots contain data for ${source.path || formatSource(source)}`)
  return chosen
}

/** Complete snapshots of the path or of a folder above it that hold it, newest first. */
async function candidates(repository: Repository, source: SourceInfo): Promise<Found[]> {
  const [{ listSnapshots }, { descend }, { parentPath }, { PathNotFoundError }, { sameSource }] = await Promise.all([
    import('#snapshot/model/snapshots.ts'),
    import('#snapshot/model/object-path.ts'),
    import('#snapshot/policy/store.ts'),
    import('#snapshot/model/errors.ts'),
    import('#snapshot/model/source-text.ts'),
  ])
  const found: Found[] = []
  for (let path = source.path; ; path = parentPath(path)) {
    const names = source.path
      .slice(path.length)
      .split('/')
      .filter((n) => n !== '')
    const above = { ...source, path }
    for (const snapshot of await listSnapshots(repository, { source: above, onDamaged: () => undefined })) {
      if (snapshot.incomplete || !snapshot.rootEntry || !sameSource(snapshot.source, above)) continue
      try {
        const { objectId } = await descend(repository, snapshot.rootEntry, names, source.path)
        if (objectId !== '') found.push({ snapshot, startNs: snapshot.startNs, relativePath: names.join('/'), objectId })
      } catch (error) {
        if (!(error instanceof PathNotFoundError)) throw error
      }
    }
    if (parentPath(path) === path) break
  }
  return found.sort((a, b) => (a.startNs > b.startNs ? -1 : a.startNs < b.startNs ? 1 : 0))
}
