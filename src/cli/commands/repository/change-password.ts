import { defineCommand } from '#cli/flag.ts'
import { askTwice, rememberPassword } from '#cli/password.ts'

export const changePasswordCommand = defineCommand({
  flags: [{ name: 'new-password', type: 'string', env: 'KOPIA_NEW_PASSWORD' }],
  async run(c, values) {
    const { changePassword } = await import('#repo/repository/change-password.ts')
    const repository = await c.openDirect()
    // Not trimmed, unlike --password (spec 01, 1.22).
    const password = values['new-password'] || (await askTwice(c, 'Enter new password: '))
    await changePassword(repository, password)
    await rememberPassword(c, password)
    c.log.info('NOTE: The password of the repository has changed: every other client must connect again with the new one.')
  },
})
