import { formatTimeNs } from '#base/time.ts'
import { defineCommand, jsonFlags } from '#cli/flag.ts'
import { JsonList } from '#cli/print/json.ts'

const nameWidth = 30
const typeWidth = 15

export const list = defineCommand({
  flags: jsonFlags,
  async run(c, values) {
    const { listTemplates } = await import('#snapshot/notify/templates.ts')
    const templates = await listTemplates(await c.open())
    if (values.json) {
      const json = new JsonList(c.io, values['json-indent'])
      for (const { name, modifiedNs } of templates)
        json.add(modifiedNs === undefined ? { name, isBuiltIn: true } : { name, lastModified: formatTimeNs(modifiedNs) })
      return json.end()
    }
    const row = (name: string, type: string, modified: string) =>
      c.io.out(`${name.padEnd(nameWidth)} ${type.padEnd(typeWidth)} ${modified}`)
    row('NAME', 'TYPE', 'MODIFIED')
    for (const { name, modifiedNs } of templates)
      if (modifiedNs === undefined) row(name, '<built-in>', '')
      else row(name, '<customized>', c.times.seconds(modifiedNs))
  },
})
