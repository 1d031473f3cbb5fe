import type { BlobInfo } from '#repo/blob/storage.ts'
import type { IndexBlobContext } from '#repo/content/index-blobs/context.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'

/** Prefixes of blobs that hold index files, of both schemes. */
const indexPrefixes = ['n', 'xn', 'xs', 'xr']

export const indexContext = (r: DirectRepository): IndexBlobContext => ({
  storage: r.blobs,
  cipher: r.cipher,
  hasher: r.hasher,
  format: r.format,
  clock: r.clock,
})

/** Index blobs that readers load, or all there are, superseded ones included. */
export async function indexBlobs(repository: DirectRepository, withSuperseded: boolean): Promise<BlobInfo[]> {
  if (withSuperseded) {
    const all: BlobInfo[] = []
    for (const prefix of repository.format.epochs.enabled ? indexPrefixes : ['n'])
      for await (const blob of repository.blobs.list(prefix)) all.push(blob)
    return all
  }
  const { createIndexBlobManager } = await import('#repo/content/index-blobs/create.ts')
  const { blobs } = await createIndexBlobManager(indexContext(repository)).activeSet()
  return [...blobs]
}
