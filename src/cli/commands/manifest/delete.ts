import { requireDangerous } from '#cli/dangerous.ts'
import { defineCommand } from '#cli/flag.ts'

export const remove = defineCommand({
  args: [{ name: 'item', type: 'string', repeated: true, required: true }],
  async run(c, values) {
    const repository = await c.open()
    requireDangerous(c)
    for (const id of values.item) await repository.manifests.delete(id)
    await repository.flush()
  },
})
