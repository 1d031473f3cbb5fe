import { requireDangerous } from '#cli/dangerous.ts'
import { defineCommand } from '#cli/flag.ts'

export const optimize = defineCommand({
  flags: [
    { name: 'max-small-blobs', type: 'int', default: '1', describe: 'Leave fewer small index blobs than this alone' },
    { name: 'drop-deleted-older-than', type: 'duration', describe: 'Forget deletions that are older' },
    { name: 'drop-contents', type: 'string', repeated: true, describe: 'Contents to forget' },
    { name: 'all', type: 'bool', describe: 'Merge large index blobs too' },
  ],
  async run(c, values) {
    const repository = await c.openDirect()
    requireDangerous(c)
    const [{ parseContentId }, { requireWholeIndexes }] = await Promise.all([
      import('#repo/content/content-id.ts'),
      import('#repo/maintenance/indexes.ts'),
    ])
    const age = values['drop-deleted-older-than']
    const dropContents = new Set(values['drop-contents'].map(parseContentId))
    await requireWholeIndexes(repository.contents).changeIndexes((indexes) =>
      indexes.compact({
        maxSmallBlobs: values['max-small-blobs'],
        allIndexes: values.all,
        ...(age === undefined || age === 0n ? {} : { dropDeletedBeforeSeconds: Number(repository.clock.nowNs() - age) / 1e9 }),
        ...(dropContents.size > 0 ? { dropContents } : {}),
      }),
    )
  },
})
