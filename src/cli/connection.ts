import { CancelledError, messageOf } from '#base/errors.ts'
import { NotConnectedError } from '#repo/repository/errors.ts'
import { readLocalConfig } from '#repo/repository/local-config.ts'
import { type OpenSettings, openRepository } from '#repo/repository/open.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { CommandContext } from './context.ts'
import { CommandError } from './exit.ts'
import { existingPassword } from './password.ts'

/** Opens the connected repository. `onKeyDerivation` is called when the key begins to be derived. A repository that is configured and cannot be opened is also named in the log. Source: spec 06, 2.5. */
export async function openConnected(c: CommandContext, onKeyDerivation?: () => void): Promise<Repository> {
  try {
    // Before the password is asked for: whoever is not connected need not type it.
    await readLocalConfig(c.configFile, c.env)
    const password = await existingPassword(c, true)
    return await openRepository({ ...openSettings(c), onKeyDerivation, configFile: c.configFile, password })
  } catch (error) {
    if (error instanceof CancelledError) throw error
    if (!(error instanceof NotConnectedError)) c.log.error(`failed to open repository: ${messageOf(error)}`)
    throw new CommandError(`open repository: ${messageOf(error)}`, { cause: error })
  }
}

/** What the global flags say of opening. */
export const openSettings = (c: CommandContext): OpenSettings => ({
  warn: (message) => c.log.warning(message),
  upgradeOwnerId: c.globals['upgrade-owner-id'],
  noBlockOnUpgrade: c.globals['upgrade-no-block'],
  ignoreMissingFeatures: c.globals['ignore-missing-required-features'],
})
