import { readFileSync } from 'node:fs'
import { messageOf } from '#base/errors.ts'
import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand, type Flag, type ValuesOf } from '#cli/flag.ts'
import type { ConnectionInfo } from '#repo/blob/registry.ts'
import type { ConnectionToken } from '#repo/repository/token.ts'
import { connectTo } from './connect.ts'
import { connectionFlags } from './connection-flags.ts'
import type { StorageProvider } from './storages/provider.ts'

const tokenFlags = [
  { name: 'token', type: 'string' },
  { name: 'token-file', type: 'string' },
  { name: 'token-stdin', type: 'bool' },
] as const satisfies readonly Flag[]

export const fromConfigFlags = [{ name: 'file', type: 'string' }, ...tokenFlags] as const satisfies readonly Flag[]

export const connectFromConfig = defineCommand({
  flags: [...fromConfigFlags, ...connectionFlags],
  async run(c, values) {
    const { storage, password } = await connectionOf(c, values)
    await connectTo(c, storage, values, password)
  },
})

/** A storage that a configuration file or a token names, for commands that take any kind of storage. */
export const fromConfigStorage: StorageProvider = {
  flags: fromConfigFlags,
  connectionFrom: async (values, { context }) =>
    (await connectionOf(context, values as ValuesOf<(typeof fromConfigFlags)[number]>)).storage,
}

async function connectionOf(
  c: CommandContext,
  values: ValuesOf<(typeof fromConfigFlags)[number]>,
): Promise<{ readonly storage: ConnectionInfo; readonly password?: string }> {
  if (values.file) return { storage: await storageOfConfig(values.file) }
  const token = await tokenOf(c, values)
  if (!token) throw new CommandError("can't connect to storage: one of --file, --token-file, --token-stdin or --token must be provided")
  return token
}

async function storageOfConfig(file: string) {
  const { readLocalConfig } = await import('#repo/repository/local-config.ts')
  try {
    const { storage } = await readLocalConfig(file)
    if (!storage) throw new CommandError(`${file} describes a connection to a server, not to a storage`)
    return storage
  } catch (error) {
    throw new CommandError(`can't connect to storage: ${messageOf(error)}`, { cause: error })
  }
}

/** The first token given, or undefined. Throws CommandError when it cannot be read. */
export async function tokenOf(c: CommandContext, values: ValuesOf<(typeof tokenFlags)[number]>): Promise<ConnectionToken | undefined> {
  const text = await tokenText(c, values)
  if (text === undefined) return undefined
  const { decodeToken } = await import('#repo/repository/token.ts')
  try {
    return await decodeToken(text)
  } catch (error) {
    throw new CommandError(`can't connect to storage: ${messageOf(error)}`, { cause: error })
  }
}

async function tokenText(c: CommandContext, values: ValuesOf<(typeof tokenFlags)[number]>): Promise<string | undefined> {
  if (values.token) return values.token
  if (values['token-stdin']) return (await c.io.readInput()).toString('utf8').trim()
  const file = values['token-file']
  if (!file) return undefined
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new CommandError(`can't connect to storage: unable to open token file: ${messageOf(error)}`, { cause: error })
  }
}
