import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { type NewFile, writeNewFiles } from './new-files.ts'
import type { LocalRestoreOptions } from './options.ts'

const maxFileBytes = 128 << 10
const batchBytes = 2 << 20
const batchCount = 512

/** Short files that `isFit`, in batches, and all other entries. */
export function batchesOf(entries: readonly DirectoryEntry[], isFit: (entry: DirectoryEntry) => boolean) {
  const batches: DirectoryEntry[][] = []
  const others: DirectoryEntry[] = []
  let bytes = 0
  for (const entry of entries) {
    if (entry.sizeBytes > maxFileBytes || !isFit(entry)) {
      others.push(entry)
      continue
    }
    const last = batches.at(-1)
    if (last && last.length < batchCount && bytes + entry.sizeBytes <= batchBytes) last.push(entry)
    else {
      batches.push([entry])
      bytes = 0
    }
    bytes += entry.sizeBytes
  }
  return { batches, others }
}

/** Restores short files of one directory together. Gives those that are done; the others are as if nobody had tried. */
export async function restoreTogether(
  repository: Repository,
  entries: readonly DirectoryEntry[],
  directory: string,
  options: LocalRestoreOptions,
): Promise<Set<DirectoryEntry>> {
  const plains = await repository.objects.readMany(
    entries.map(({ objectId }) => objectId as ObjectId),
    maxFileBytes,
  )
  const files: NewFile[] = []
  for (const [i, entry] of entries.entries()) {
    const data = plains[i]
    if (data) files.push({ entry, data })
  }
  if (files.length === 0) return new Set()
  const results = await writeNewFiles(directory, files, options)
  return new Set(files.filter((_, i) => results[i]).map(({ entry }) => entry))
}
