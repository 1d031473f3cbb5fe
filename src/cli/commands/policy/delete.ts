import { defineCommand } from '#cli/flag.ts'
import { globalFlag, policyTargets, targetArgs } from './targets.ts'

export const remove = defineCommand({
  args: targetArgs,
  flags: [globalFlag, { name: 'dry-run', short: 'n', type: 'bool' }],
  async run(c, values) {
    const [{ removePolicy }, { formatSource }] = await Promise.all([
      import('#snapshot/policy/store.ts'),
      import('#snapshot/model/source-text.ts'),
    ])
    await c.write(async (repository) => {
      for (const target of await policyTargets(c, repository, values)) {
        c.log.info(`Removing policy on "${formatSource(target)}"...`)
        if (!values['dry-run']) await removePolicy(repository, target)
      }
    })
  },
})
