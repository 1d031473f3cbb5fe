import { CommandError } from '#cli/exit.ts'
import { isDirect, type Repository } from '#repo/repository/repository.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { walkTree } from '#snapshot/tree/repository-tree.ts'

/** What snapshots add to the storage (spec 06, section 15: U). */
export interface StorageUse {
  readonly newData: UseCounters
  readonly runningTotal: UseCounters
  readonly [key: string]: UseCounters
}

export type UseCounters = {
  objectBytes: number
  originalContentBytes: number
  packedContentBytes: number
  fileObjects: number
  dirObjects: number
  contents: number
}

const none = (): UseCounters => ({
  objectBytes: 0,
  originalContentBytes: 0,
  packedContentBytes: 0,
  fileObjects: 0,
  dirObjects: 0,
  contents: 0,
})

/** For each snapshot by its ID what it adds to those before it, in the given order. Reads every tree once. */
export async function storageUse(repository: Repository, snapshots: readonly Snapshot[]): Promise<Map<string, StorageUse>> {
  if (!isDirect(repository)) throw new CommandError('storage statistics need a direct connection to the storage')
  const result = new Map<string, StorageUse>()
  const seenObjects = new Set<string>()
  const seenContents = new Set<string>()
  const total = none()
  for (const snapshot of snapshots) {
    const added = none()
    // A directory is entered right after its own turn, only if that was its first.
    let isNew = false
    for await (const { entry } of snapshot.rootEntry ? walkTree(repository, snapshot.rootEntry, { enter: () => isNew }) : []) {
      isNew = entry.objectId !== '' && !seenObjects.has(entry.objectId)
      if (entry.objectId === '' || !isNew) continue
      seenObjects.add(entry.objectId)
      // Of directories only their number counts, and that of their contents: the bytes are those of files, as in the reference.
      const isDirectory = entry.type === 'd'
      if (isDirectory) added.dirObjects++
      else {
        added.fileObjects++
        added.objectBytes += entry.sizeBytes
      }
      for (const id of await repository.objects.contentsOf(entry.objectId)) {
        const info = seenContents.has(id) ? undefined : repository.contents.info(id)
        seenContents.add(id)
        if (!info) continue
        added.contents++
        if (isDirectory) continue
        added.originalContentBytes += info.originalLength
        added.packedContentBytes += info.packedLength
      }
    }
    for (const key of Object.keys(added) as (keyof UseCounters)[]) total[key] += added[key]
    result.set(snapshot.id, { newData: added, runningTotal: { ...total } })
  }
  return result
}
