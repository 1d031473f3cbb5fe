import { CancelledError, messageOf } from '#base/errors.ts'
import type { ContentLogOptions } from '#repo/repository/content-log.ts'
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
  contentLog: contentLogOf(c),
  ignoreMissingFeatures: c.globals['ignore-missing-required-features'],
})

/** Logs of storage calls: the content log file, the trace of the log file, and what is kept in the repository (spec 06, 5.3 and 14.5). */
function contentLogOf(c: CommandContext): ContentLogOptions {
  const { content } = c.log
  return {
    keepsInRepository: !c.globals['disable-repository-log'],
    onLine: content && ((line) => content.append(line)),
    onTrace: c.globals['trace-storage'] && c.log.takesDebug ? (name, details) => c.log.debug(`[STORAGE] ${name}\t${details}`) : undefined,
    note: (message) => c.log.debug(message),
  }
}
