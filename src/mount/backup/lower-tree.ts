import type { Repository } from '#repo/repository/repository.ts'
import { readStoredDirectory } from '#snapshot/tree/repository-tree.ts'
import { FileReader } from '../file-reader.ts'
import { SegmentCache } from '../segment-cache.ts'
import type { LowerTree } from '../staging/staging.ts'

export interface LowerTreeLimits {
  /** Plain file content kept in memory. */
  readonly maxCachedBytes: number
  /** Longest wait for storage. */
  readonly timeoutMs: number
}

/** Reads what overlays stand on. */
export function lowerTree(repository: Repository, { maxCachedBytes, timeoutMs }: LowerTreeLimits): LowerTree {
  const reader = new FileReader(repository.objects, new SegmentCache(maxCachedBytes, maxCachedBytes / 2), timeoutMs)
  return {
    readDirectory: async (id) => (await readStoredDirectory(repository, id)).entries,
    read: (id, offset, size) => reader.read(id, offset, size),
  }
}
