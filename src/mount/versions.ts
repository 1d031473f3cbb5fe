import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import { mapLimited } from '#base/limit.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { type SourceGroup, sortByTime } from '#snapshot/model/snapshots.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { type Version, VersionCollector } from '#snapshot/search/version.ts'
import { snapshotName, uniqueNames } from './names.ts'

type ReadDirectory = (id: ObjectId) => Promise<readonly DirectoryEntry[]>

/** What a folder of `.kura/versions` is: a folder of the source, with what any snapshot has in it, or the versions of one file. */
interface VirtualFolder {
  readonly source: SourceInfo
  readonly names: readonly string[]
  readonly isFile: boolean
}

/** Begins no object ID (those are hexadecimal behind one letter). */
const mark = 'versions:'
const parallelReads = 8
const maxKnownNames = 200_000

export const isVersionsId = (id: string): boolean => id.startsWith(mark)

/** An "object ID" for a folder that is made up of all snapshots: tables then treat it as any other. */
export const versionsId = (folder: VirtualFolder): ObjectId =>
  `${mark}${Buffer.from(JSON.stringify([folder.source, folder.names, folder.isFile])).toString('base64url')}` as ObjectId

function folderOf(id: ObjectId): VirtualFolder {
  const text = Buffer.from(id.slice(mark.length), 'base64url').toString()
  const [source, names, isFile] = JSON.parse(text) as [SourceInfo, string[], boolean]
  return { source, names, isFile }
}

/** `.kura/versions/<user@host>/<source>/…`: the tree of a source with all that any of its snapshots has, each file a folder of its versions.
 *  A version is named after the first snapshot that has it, so that it keeps its name when more come. Snapshots of folders above the
 *  source count too. Equal folders are read once. Source: issue of `kura history`; borg's `-o versions`. */
export class Versions {
  #snapshots: readonly Snapshot[] = []
  /** Object and name -> entry, of paths that were asked for. */
  readonly #known = new Map<string, DirectoryEntry | undefined>()

  constructor(private readonly readDirectory: ReadDirectory) {}

  update(snapshots: readonly Snapshot[]): void {
    this.#snapshots = sortByTime(snapshots)
  }

  /** Entries of a folder as `versionsId` names it. Errors: those of reading directories. */
  async entries(id: ObjectId): Promise<readonly DirectoryEntry[]> {
    const { source, names, isFile } = folderOf(id)
    return isFile ? this.#versionsOf(source, names) : this.#everythingIn(source, names)
  }

  async #versionsOf(source: SourceInfo, names: readonly string[]): Promise<DirectoryEntry[]> {
    const collector = new VersionCollector(false)
    for (const [snapshot, entry] of await this.#statesOf(source, names)) if (entry.type !== 'd') collector.add(entry, snapshot)
    const versions = collector.versions()
    const extension = posix.extname(names.at(-1) ?? '')
    const first = ({ snapshots }: Version): string => snapshotName(snapshots[0]?.startNs ?? 0n, undefined)
    const keys = versions.map((v) => `${first(v)} ${v.snapshots[0]?.id}`)
    const shown = uniqueNames(keys, (key) => `${key.slice(0, key.indexOf(' '))}${extension}`)
    return versions.map(({ entry }, i) => ({ ...entry, name: shown[i] as string }))
  }

  async #everythingIn(source: SourceInfo, names: readonly string[]): Promise<DirectoryEntry[]> {
    const newest = new Map<string, DirectoryEntry>()
    const objects = new Set<ObjectId>()
    for (const [, { type, objectId }] of await this.#statesOf(source, names)) {
      if (type !== 'd' || objectId === '') continue
      objects.delete(objectId) // the last one that has it says how old it is
      objects.add(objectId)
    }
    for (const entries of await mapLimited(objects, parallelReads, (id) => this.readDirectory(id)))
      for (const entry of entries) newest.set(`${entry.type === 'd' ? 'd' : 'f'} ${entry.name}`, entry)
    return [...newest].map(([key, entry]) => {
      const isFile = !key.startsWith('d')
      const isBoth = isFile && newest.has(`d ${entry.name}`)
      return {
        ...entry,
        name: isBoth ? `${entry.name} (file)` : entry.name,
        type: 'd',
        mode: isFile ? 0o555 : entry.mode,
        sizeBytes: 0,
        objectId: versionsId({ source, names: [...names, entry.name], isFile }),
      }
    })
  }

  /** What the path is in each snapshot that has it, oldest first. */
  async #statesOf(source: SourceInfo, names: readonly string[]): Promise<(readonly [Snapshot, DirectoryEntry])[]> {
    const states: (readonly [Snapshot, DirectoryEntry])[] = []
    for (const snapshot of this.#snapshots) {
      const above = namesBelow(snapshot.source, source)
      const entry = above && (await this.#descend(snapshot.rootEntry, [...above, ...names]))
      if (entry) states.push([snapshot, entry])
    }
    return states
  }

  async #descend(root: DirectoryEntry | undefined, names: readonly string[]): Promise<DirectoryEntry | undefined> {
    let entry = root
    for (const name of names) {
      if (entry?.type !== 'd' || entry.objectId === '') return undefined
      const key: string = `${entry.objectId}/${name}`
      if (!this.#known.has(key)) {
        if (this.#known.size > maxKnownNames) this.#known.clear()
        const entries = await this.readDirectory(entry.objectId)
        this.#known.set(
          key,
          entries.find((e) => e.name === name),
        )
      }
      entry = this.#known.get(key)
    }
    return entry
  }
}

/** Changes when anything below a source's folder of versions may: told by the snapshots that count for it. */
export function versionsRevision(source: SourceInfo, groups: readonly SourceGroup[]): string {
  const hash = createHash('sha256')
  for (const group of groups) if (namesBelow(group.source, source) !== undefined) for (const { id } of group.snapshots) hash.update(id)
  return hash.digest('base64')
}

/** Names from the folder of one source down to that of another of the same user and host; undefined when it is not in it. */
function namesBelow(above: SourceInfo, source: SourceInfo): string[] | undefined {
  if (above.user !== source.user || above.host !== source.host) return undefined
  const root = above.path === '/' ? '' : above.path
  if (source.path !== above.path && !source.path.startsWith(`${root}/`)) return undefined
  return source.path
    .slice(root.length)
    .split('/')
    .filter((n) => n !== '')
}
