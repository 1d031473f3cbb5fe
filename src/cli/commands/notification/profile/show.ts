import { CommandError } from '#cli/exit.ts'
import { defineCommand, jsonFlags } from '#cli/flag.ts'
import { printJson } from '#cli/print/json.ts'
import { profileName } from './common.ts'
import { profileRow, rawFlag } from './row.ts'

export const show = defineCommand({
  flags: [...jsonFlags, profileName, rawFlag],
  async run(c, values) {
    const { findProfile, profileJson } = await import('#snapshot/notify/profiles.ts')
    const profile = await findProfile(await c.open(), values['profile-name'])
    if (!profile) throw new CommandError(`unable to get notification profile: profile not found: ${values['profile-name']}`)
    const row = profileRow(profile)
    if (values.json) return printJson(c.io, values.raw ? profileJson(profile) : row.json, values['json-indent'])
    c.io.out(row.title)
    c.io.out(row.summary)
  },
})
