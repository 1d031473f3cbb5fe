import { messageOf } from '#base/errors.ts'
import { openSettings } from '#cli/connection.ts'
import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import type { Command } from '#cli/flag.ts'
import { existingPassword, rememberPassword } from '#cli/password.ts'
import { noteUpdateCheck } from '#cli/update-check.ts'
import type { ConnectionInfo } from '#repo/blob/registry.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import { NotARepositoryError } from '#repo/repository/errors.ts'
import { type ConnectionValues, connectionFlags, connectSettings } from './connection-flags.ts'
import type { StorageProvider } from './storages/provider.ts'

/** "repository connect" for one kind of storage. */
export const connectCommand = (provider: StorageProvider): Command => ({
  args: [],
  flags: [...provider.flags, ...connectionFlags],
  run: async (c, values) => {
    const storage = await provider.connectionFrom(values, { use: 'connect', context: c, formatVersion: 0 })
    await connectTo(c, storage, values as ConnectionValues)
  },
})

/** Connects to the repository in a storage and checks the connection. `password`: from a token, replaces any other.
 *  Source: spec 06, 11.1. */
export async function connectTo(
  c: CommandContext,
  storageConnection: ConnectionInfo,
  values: ConnectionValues,
  password = '',
): Promise<void> {
  const { connectRepository } = await import('#repo/repository/connect.ts')
  await (await storageOf(storageConnection, false)).close()
  const secret = password || (await existingPassword(c, false))
  try {
    await connectRepository({
      ...openSettings(c),
      ...connectSettings(values),
      configFile: c.configFile,
      storageConnection,
      password: secret,
    })
  } catch (error) {
    // Where there is no repository, none was opened.
    if (!(error instanceof NotARepositoryError)) c.log.error(`failed to open repository: ${messageOf(error)}`)
    throw new CommandError(`error connecting to repository: ${messageOf(error)}`, { cause: error })
  }
  await rememberPassword(c, secret)
  noteUpdateCheck(c, values['check-for-updates'])
  c.log.info('Connected to repository.')
}

/** Opens a storage that the command line names; what may pass by itself is tried again. */
export async function storageOf(connection: ConnectionInfo, create: boolean): Promise<BlobStorage> {
  const [{ openStorage }, { retrying }] = await Promise.all([import('#repo/blob/registry.ts'), import('#repo/blob/wrap/retry.ts')])
  try {
    return retrying()(await openStorage(connection, create))
  } catch (error) {
    throw new CommandError(`can't connect to storage: ${messageOf(error)}`, { cause: error })
  }
}
