import { defineCommand } from '#cli/flag.ts'
import { maintain } from '#cli/maintain.ts'

export const run = defineCommand({
  flags: [
    { name: 'full', type: 'bool', describe: 'Also remove what no snapshot needs' },
    { name: 'force', type: 'bool', hidden: true },
    {
      name: 'safety',
      type: 'enum',
      values: ['full', 'none'],
      default: 'full',
      describe: 'none: no waiting periods, only while nobody else is connected',
    },
  ],
  async run(c, values) {
    await maintain(c, await c.openDirect(), { mode: values.full ? 'full' : 'quick', force: values.force, safetyName: values.safety })
  },
})
