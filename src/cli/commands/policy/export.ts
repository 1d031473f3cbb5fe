import { closeSync, openSync, writeFileSync } from 'node:fs'
import { systemCode } from '#base/errors.ts'
import { goJson, goJsonIndented, type JsonValue, sortedMap } from '#base/go-json.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { globalFlag, namedTargets, targetArgs } from './targets.ts'

export const exportPolicies = defineCommand({
  args: targetArgs,
  flags: [
    { name: 'to-file', type: 'string' },
    { name: 'overwrite', type: 'bool' },
    { name: 'json-indent', type: 'bool', hidden: true },
    globalFlag,
  ],
  async run(c, values) {
    const file = values['to-file']
    if (!file && values.overwrite) throw new CommandError('--overwrite needs --to-file')
    const [{ getPolicy, listPolicies }, { policyJsonValue }, { formatSource }] = await Promise.all([
      import('#snapshot/policy/store.ts'),
      import('#snapshot/policy/policy-json.ts'),
      import('#snapshot/model/source-text.ts'),
    ])
    const repository = await c.open()
    const found: Record<string, JsonValue> = {}
    const targets = await namedTargets(c, repository, values)
    if (targets.length === 0)
      for (const { target, policy } of await listPolicies(repository)) found[formatSource(target)] = policyJsonValue(policy)
    for (const target of targets) {
      const defined = await getPolicy(repository, target)
      if (!defined) throw new CommandError(`failed to get policy for ${formatSource(target)}: policy not found`)
      found[formatSource(target)] = policyJsonValue(defined.policy)
    }
    const value = sortedMap(found)
    const text = `${values['json-indent'] ? goJsonIndented(value) : goJson(value)}\n`
    if (file) writeNewFile(file, text, values.overwrite)
    else c.io.write(text)
  },
})

function writeNewFile(path: string, text: string, overwrite: boolean): void {
  if (overwrite) {
    writeFileSync(path, text)
    return
  }
  try {
    const descriptor = openSync(path, 'wx', 0o600)
    writeFileSync(descriptor, text)
    closeSync(descriptor)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    throw new CommandError(`the file ${path} exists already. Use --overwrite to replace it.`, { cause: error })
  }
}
