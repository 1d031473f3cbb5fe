import { defineCommand, jsonFlags } from '#cli/flag.ts'
import { printJson } from '#cli/print/json.ts'
import { alignRows } from '#cli/print/table.ts'
import { globalFlag, policyTargets, targetArgs } from './targets.ts'

export const show = defineCommand({
  args: targetArgs,
  flags: [globalFlag, ...jsonFlags],
  async run(c, values) {
    const [{ effectivePolicy }, { policyJsonValue }, { formatSource }, { policyRows }] = await Promise.all([
      import('#snapshot/policy/store.ts'),
      import('#snapshot/policy/policy-json.ts'),
      import('#snapshot/model/source-text.ts'),
      import('#cli/print/policy-rows.ts'),
    ])
    const repository = await c.open()
    for (const target of await policyTargets(c, repository, values)) {
      const merged = await effectivePolicy(repository, target)
      if (values.json) printJson(c.io, policyJsonValue(merged.effective), values['json-indent'])
      else {
        c.io.out(`Policy for ${formatSource(target)}:\n`)
        for (const line of alignRows(policyRows(merged, target, c.sizes))) c.io.out(line)
      }
    }
  },
})
