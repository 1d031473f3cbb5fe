import { mapLimited } from '#base/limit.ts'
import { defineCommand } from '#cli/flag.ts'

export const sync = defineCommand({
  flags: [{ name: 'parallel', type: 'int', default: '16' }],
  async run(c, values) {
    const { contents, blobs } = await c.openDirect()
    await mapLimited(blobs.list('q'), Math.max(1, values.parallel), async ({ id }) => contents.loadMetadataPack?.(id))
  },
})
