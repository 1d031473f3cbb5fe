import { readFileSync } from 'node:fs'
import { parseFirstJson } from '#base/json-read.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { globalFlag, namedTargets, targetArgs } from './targets.ts'

export const importPolicies = defineCommand({
  args: targetArgs,
  flags: [
    { name: 'from-file', type: 'string' },
    { name: 'allow-unknown-fields', type: 'bool' },
    { name: 'delete-other-policies', type: 'bool' },
    globalFlag,
  ],
  async run(c, values) {
    const file = values['from-file']
    const [{ listPolicies, removePolicy, setPolicy }, { decodePolicy }, { formatSource, parseSource }] = await Promise.all([
      import('#snapshot/policy/store.ts'),
      import('#snapshot/policy/policy-json.ts'),
      import('#snapshot/model/source-text.ts'),
    ])
    const json = parseFirstJson((file ? readFileSync(file) : await c.io.readInput()).toString('utf8'))
    if (typeof json !== 'object' || json === null || Array.isArray(json))
      throw new CommandError('unable to decode policies: not a JSON object')
    const given = json as Readonly<Record<string, unknown>>
    await c.write(async (repository) => {
      const wanted = new Set((await namedTargets(c, repository, values)).map(formatSource))
      const imported = new Set<string>()
      const defaults = { user: repository.client.username, host: repository.client.hostname }
      for (const [text, payload] of Object.entries(given)) {
        const target = parseSource(text, defaults)
        if (wanted.size > 0 && !wanted.has(formatSource(target))) continue
        imported.add(text)
        await setPolicy(repository, target, decodePolicy(payload, { strict: !values['allow-unknown-fields'] }))
      }
      if (!values['delete-other-policies']) return
      for (const { target } of await listPolicies(repository))
        if (!imported.has(formatSource(target))) await removePolicy(repository, target)
    })
  },
})
