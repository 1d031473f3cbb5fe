import { defineCommand } from '#cli/flag.ts'
import { templateName } from './name.ts'

export const remove = defineCommand({
  args: [templateName],
  async run(c, values) {
    const { removeTemplate } = await import('#snapshot/notify/templates.ts')
    await c.write((repository) => removeTemplate(repository, values.template))
  },
})
