import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { sendSettings } from '#cli/notify.ts'
import { profileName } from './common.ts'

export const test = defineCommand({
  flags: [profileName],
  async run(c, values) {
    const [{ findProfile, profileSummary }, { sendTestMessage }] = await Promise.all([
      import('#snapshot/notify/profiles.ts'),
      import('#snapshot/notify/send.ts'),
    ])
    const repository = await c.open()
    const profile = await findProfile(repository, values['profile-name'])
    if (!profile) throw new CommandError(`unable to get notification profile: profile not found: ${values['profile-name']}`)
    c.log.info(`Sending test notification to ${profileSummary(profile)}`)
    await sendTestMessage(repository, profile, sendSettings(c, repository))
  },
})
