import { lstatSync, readdirSync, rmSync } from 'node:fs'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { decodeName } from '#snapshot/model/raw-name.ts'
import type { RestoreCounters } from './options.ts'

/** Removes from a target directory what the snapshot does not have there, or has as another kind (spec 07, 7.4.3 --delete-extra).
 *  Links are removed, never followed. What cannot be removed is told to `failed` and stays; the rest goes. Throws when the directory
 *  cannot be listed. */
export function deleteExtra(
  directory: string,
  entries: readonly DirectoryEntry[],
  counters: RestoreCounters,
  failed: (name: string, error: unknown) => void,
): void {
  const isDirectory = new Map(entries.map((e) => [e.name, e.type === 'd']))
  // By bytes: what is no UTF-8 is surely not in the snapshot under this name.
  for (const raw of readdirSync(directory, { encoding: 'buffer' })) {
    const name = decodeName(raw)
    try {
      removeExtra(Buffer.concat([Buffer.from(`${directory}/`), raw]), isDirectory.get(name), counters)
    } catch (error) {
      failed(name, error)
    }
  }
}

/** `wanted`: whether the snapshot has a directory of this name; undefined when it has nothing. */
function removeExtra(path: Buffer, wanted: boolean | undefined, counters: RestoreCounters): void {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (!stats || wanted === stats.isDirectory()) return
  rmSync(path, { recursive: true, force: true })
  if (stats.isDirectory()) counters.deletedDirectories++
  else if (stats.isSymbolicLink()) counters.deletedSymlinks++
  else counters.deletedFiles++
}
