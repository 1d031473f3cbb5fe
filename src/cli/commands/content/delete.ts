import { requireDangerous } from '#cli/dangerous.ts'
import { defineCommand } from '#cli/flag.ts'

export const remove = defineCommand({
  args: [{ name: 'id', type: 'string', repeated: true, required: true }],
  async run(c, values) {
    const { parseContentId } = await import('#repo/content/content-id.ts')
    const repository = await c.openDirect()
    requireDangerous(c)
    const ids = values.id.map(parseContentId)
    for (const id of ids) await repository.contents.delete(id)
    await repository.flush()
  },
})
