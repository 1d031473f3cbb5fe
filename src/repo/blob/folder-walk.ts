import { lstat, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode } from '#base/errors.ts'
import { mapLimited } from '#base/limit.ts'
import { blobIdOf, mayHold } from './shard.ts'
import type { BlobId, BlobInfo } from './storage.ts'
import { storageErrorOf } from './system-errors.ts'

// A local disk answers more than one request at a time; more than this only fills the thread pool's queue.
const defaultParallelism = 8
const statsInFlight = 32

interface Folder {
  readonly path: string
  /** Names of the folders on the way, concatenated. */
  readonly name: string
}

/** Lists the blobs below a folder whose IDs start with `prefix`, whatever the layout: folder names on the way are parts of the ID.
 *  Folders that cannot hold the prefix are not read; links are not followed; whatever does not end in `.f` is passed over. A folder that
 *  cannot be read fails the listing (StorageError); one that vanished meanwhile does not. Source: spec 04, 4.2.2. */
export async function* listFolders(root: string, prefix: BlobId, parallelism = 0): AsyncIterable<BlobInfo> {
  const waiting: Folder[] = [{ path: root, name: '' }]
  while (waiting.length > 0) {
    const batch = waiting.splice(-(parallelism || defaultParallelism))
    for (const { blobs, folders } of await Promise.all(batch.map((folder) => readFolder(folder, prefix, folder.path === root)))) {
      waiting.push(...folders)
      yield* blobs
    }
  }
}

async function readFolder(folder: Folder, prefix: BlobId, isRoot: boolean): Promise<{ blobs: BlobInfo[]; folders: Folder[] }> {
  const folders: Folder[] = []
  const files: { id: BlobId; path: string }[] = []
  try {
    for (const entry of await readdir(folder.path, { withFileTypes: true })) {
      const name = folder.name + entry.name
      if (entry.isDirectory()) {
        if (mayHold(name, prefix)) folders.push({ path: join(folder.path, entry.name), name })
        continue
      }
      const id = blobIdOf(name, prefix)
      if (id !== undefined) files.push({ id, path: join(folder.path, entry.name) })
    }
    const found = await mapLimited(files, statsInFlight, ({ id, path }) => blobInfo(id, path))
    return { blobs: found.filter((b) => b !== undefined), folders }
  } catch (error) {
    if (!isRoot && systemCode(error) === 'ENOENT') return { blobs: [], folders: [] }
    throw storageErrorOf(error, `cannot list ${folder.path}`)
  }
}

/** Undefined for what cannot be read as a file: it is no blob. A link to a file is one. */
async function blobInfo(id: BlobId, path: string): Promise<BlobInfo | undefined> {
  try {
    let found = await lstat(path)
    if (found.isSymbolicLink()) found = await stat(path)
    return found.isFile() ? { id, sizeBytes: found.size, modifiedMs: found.mtimeMs } : undefined
  } catch (error) {
    if (['ENOENT', 'ELOOP'].includes(systemCode(error) ?? '')) return undefined
    throw error
  }
}
