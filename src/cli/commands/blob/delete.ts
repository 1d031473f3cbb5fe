import { requireDangerous } from '#cli/dangerous.ts'
import { defineCommand } from '#cli/flag.ts'

export const remove = defineCommand({
  args: [{ name: 'blobIDs', type: 'string', repeated: true, required: true }],
  async run(c, values) {
    const repository = await c.openDirect()
    requireDangerous(c)
    for (const id of values.blobIDs) await repository.blobs.delete(id)
  },
})
