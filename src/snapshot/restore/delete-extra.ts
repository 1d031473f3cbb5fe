import { lstatSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { RestoreCounters } from './options.ts'

/** Removes from a target directory what the snapshot does not have there, or has as another kind (spec 07, 7.4.3 --delete-extra).
 *  Links are removed, never followed. */
export function deleteExtra(directory: string, entries: readonly DirectoryEntry[], counters: RestoreCounters): void {
  const directories = new Set(entries.filter((e) => e.type === 'd').map((e) => e.name))
  const others = new Set(entries.filter((e) => e.type !== 'd').map((e) => e.name))
  for (const name of readdirSync(directory)) {
    const path = join(directory, name)
    const stats = lstatSync(path, { throwIfNoEntry: false })
    if (!stats) continue
    if (stats.isDirectory()) {
      if (directories.has(name)) continue
      rmSync(path, { recursive: true, force: true })
      counters.deletedDirectories++
    } else {
      if (others.has(name)) continue
      rmSync(path, { force: true })
      if (stats.isSymbolicLink()) counters.deletedSymlinks++
      else counters.deletedFiles++
    }
  }
}
