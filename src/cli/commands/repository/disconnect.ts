import { messageOf } from '#base/errors.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { passwordStores } from '#cli/password.ts'

export const disconnect = defineCommand({
  async run(c) {
    const library = await import('#repo/repository/connect.ts')
    await library.disconnect(c.configFile, await passwordStores(c)).catch((error: unknown) => {
      throw new CommandError(`unable to disconnect from repository: ${messageOf(error)}`, { cause: error })
    })
  },
})
