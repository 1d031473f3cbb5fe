import { messageOf } from '#base/errors.ts'
import { maxJsonBytes } from '#base/json-read.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { decodeDirectory } from '#snapshot/model/directory-json.ts'
import { storedFoldersStart } from '#snapshot/tree/folder-scan.ts'

/** A directory object of an earlier snapshot, as it is stored. */
export interface StoredObject {
  readonly id: ObjectId
  readonly bytes: Buffer
}

type Note = (message: string) => void

const cannotRead = (error: unknown) => `a directory of the previous snapshot cannot be read, its files are read again: ${messageOf(error)}`

/** Reads the directory objects with these IDs. One that cannot be read costs its reuse, not the upload: `note` hears of it. */
export async function readPrevious(repository: Repository, ids: readonly ObjectId[], note: Note): Promise<StoredObject[]> {
  const found: StoredObject[] = []
  for (const id of ids) {
    try {
      found.push({ id, bytes: await repository.objects.readAll(id, maxJsonBytes) })
    } catch (error) {
      note(cannotRead(error))
    }
  }
  return found
}

/** readPrevious, ready for look-ups. */
export const loadPrevious = async (repository: Repository, ids: readonly ObjectId[], note: Note): Promise<PreviousDirectories> =>
  new PreviousDirectories(await readPrevious(repository, ids, note), undefined, note)

/** Directories of earlier snapshots that stand where the one being walked stands, the most wanted first (spec 07, 7.1.5). They are decoded
 *  only when something has to be looked up: where nothing has changed, nothing has. */
export class PreviousDirectories {
  readonly #objects: readonly StoredObject[]
  readonly #foldersEnd: number | undefined
  readonly #note: Note
  #all: readonly ReadonlyMap<string, DirectoryEntry>[] | undefined
  #folders: readonly ReadonlyMap<string, DirectoryEntry>[] | undefined

  /** `foldersEnd`: where the directories among the entries of the first object end, if that is known (FolderScan.storedFoldersEnd). */
  constructor(objects: readonly StoredObject[], foldersEnd: number | undefined, note: Note) {
    this.#objects = objects
    this.#foldersEnd = foldersEnd
    this.#note = note
  }

  /** The entry of an earlier snapshot that is the same file: type, time, mode, owner and size. Undefined when none is. */
  findUnchanged(entry: Omit<DirectoryEntry, 'objectId'>): DirectoryEntry | undefined {
    for (const directory of this.#decoded()) {
      const previous = directory.get(entry.name)
      if (previous && isUnchanged(previous, entry)) return previous
    }
    return undefined
  }

  /** Object IDs of the directories of this name, each once. */
  children(name: string): ObjectId[] {
    const found = new Set<ObjectId>()
    for (const directory of this.#all ?? this.#decodedFolders()) {
      const previous = directory.get(name)
      if (previous?.type === 'd' && previous.objectId !== '') found.add(previous.objectId)
    }
    return [...found]
  }

  #decoded(): readonly ReadonlyMap<string, DirectoryEntry>[] {
    this.#all ??= this.#objects.flatMap(({ bytes }) => this.#decode(bytes))
    return this.#all
  }

  /** Of the first object only the part that holds directories: behind it a million files may follow. */
  #decodedFolders(): readonly ReadonlyMap<string, DirectoryEntry>[] {
    const first = this.#objects[0]
    if (first === undefined || this.#foldersEnd === undefined) return this.#decoded()
    const end = this.#foldersEnd
    this.#folders ??= [
      ...(end > storedFoldersStart ? this.#decode(Buffer.concat([first.bytes.subarray(0, end), Buffer.from(']}')])) : []),
      ...this.#objects.slice(1).flatMap(({ bytes }) => this.#decode(bytes)),
    ]
    return this.#folders
  }

  #decode(bytes: Buffer): ReadonlyMap<string, DirectoryEntry>[] {
    try {
      return [new Map(decodeDirectory(bytes).entries.map((e) => [e.name, e]))]
    } catch (error) {
      this.#note(cannotRead(error))
      return []
    }
  }
}

const isUnchanged = (previous: DirectoryEntry, now: Omit<DirectoryEntry, 'objectId'>): boolean =>
  previous.sizeBytes === now.sizeBytes &&
  previous.modifiedNs === now.modifiedNs &&
  previous.mode === now.mode &&
  previous.uid === now.uid &&
  previous.gid === now.gid &&
  previous.type === now.type &&
  previous.objectId !== ''
