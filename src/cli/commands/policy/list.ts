import type { JsonValue } from '#base/go-json.ts'
import { defineCommand, jsonFlags } from '#cli/flag.ts'
import { JsonList } from '#cli/print/json.ts'

export const list = defineCommand({
  flags: jsonFlags,
  async run(c, values) {
    const [{ listPolicies }, { policyJsonValue }, { formatSource }] = await Promise.all([
      import('#snapshot/policy/store.ts'),
      import('#snapshot/policy/policy-json.ts'),
      import('#snapshot/model/source-text.ts'),
    ])
    const policies = await listPolicies(await c.open())
    const json = values.json ? new JsonList(c.io, values['json-indent']) : undefined
    for (const { id, target, policy } of policies) {
      const where = { host: target.host, userName: target.user, path: target.path }
      if (json) json.add({ id, target: where, ...(policyJsonValue(policy) as Record<string, JsonValue>) })
      else c.io.out(`${id} ${formatSource(target)}`)
    }
    json?.end()
  },
})
