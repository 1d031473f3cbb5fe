import { defineCommand } from '#cli/flag.ts'
import { profileName } from './common.ts'

export const remove = defineCommand({
  flags: [profileName],
  async run(c, values) {
    const { deleteProfile } = await import('#snapshot/notify/profiles.ts')
    await c.write((repository) => deleteProfile(repository, values['profile-name']))
  },
})
