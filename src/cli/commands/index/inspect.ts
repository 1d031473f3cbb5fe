import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { nsOfMs } from '#cli/print/times.ts'
import type { BlobInfo } from '#repo/blob/storage.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { indexBlobs, indexContext } from './indexes.ts'

export const inspect = defineCommand({
  args: [{ name: 'blobs', type: 'string', repeated: true }],
  flags: [
    { name: 'all', type: 'bool' },
    { name: 'active', type: 'bool' },
    { name: 'content-id', type: 'string', repeated: true },
    { name: 'parallel', type: 'int', default: '8' },
  ],
  async run(c, values) {
    const { SealedIndexes } = await import('#repo/content/index-blobs/sealed-index.ts')
    const repository = await c.openDirect()
    const blobs = await chosenBlobs(repository, values)
    const wanted = new Set<string>(values['content-id'])
    const sealed = new SealedIndexes(indexContext(repository))
    for (const blob of blobs) {
      const [index] = await sealed.loadAll([blob])
      const time = c.times.milliseconds(nsOfMs(blob.modifiedMs))
      for (let row = 0; index && row < index.count; row++) {
        if (wanted.size > 0 && !wanted.has(index.idAt(row))) continue
        const info = index.at(row)
        const state = info.deleted ? 'deleted' : 'created'
        const at = c.times.milliseconds(BigInt(info.timestampSeconds) * 1_000_000_000n)
        c.io.out(`${time} ${blob.id} ${info.id} ${state} ${at} ${info.packBlob} ${info.packOffset} ${info.packedLength}`)
      }
      await c.io.drained()
    }
  },
})

async function chosenBlobs(
  repository: DirectRepository,
  values: { readonly all: boolean; readonly active: boolean; readonly blobs: readonly string[] },
): Promise<BlobInfo[]> {
  if (values.all) {
    const { poisonBlobId } = await import('#repo/content/index-blobs/migrate.ts')
    return (await indexBlobs(repository, true)).filter((b) => b.id !== poisonBlobId)
  }
  if (values.active) return indexBlobs(repository, false)
  if (values.blobs.length === 0) throw new CommandError('must pass either --all, --active or provide a list of blob IDs to inspect')
  return Promise.all(values.blobs.map((id) => repository.blobs.stat(id)))
}
