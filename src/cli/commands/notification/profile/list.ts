import { defineCommand, jsonFlags } from '#cli/flag.ts'
import { JsonList } from '#cli/print/json.ts'
import { profileRow, rawFlag } from './row.ts'

export const list = defineCommand({
  flags: [...jsonFlags, rawFlag],
  async run(c, values) {
    const { listProfiles, profileJson } = await import('#snapshot/notify/profiles.ts')
    const profiles = await listProfiles(await c.open())
    const json = values.json ? new JsonList(c.io, values['json-indent']) : undefined
    for (const [i, profile] of profiles.entries()) {
      const row = profileRow(profile)
      if (json) json.add(values.raw ? profileJson(profile) : row.json)
      else c.io.write(`${i > 0 ? '\n' : ''}${row.title}\n  ${row.summary}\n`)
    }
    json?.end()
  },
})
