import { readFileSync } from 'node:fs'
import { messageOf } from '#base/errors.ts'
import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand, type Flag, type ValuesOf } from '#cli/flag.ts'
import type { ConnectionToken } from '#repo/repository/token.ts'
import { connectTo } from './connect.ts'
import { connectionFlags } from './connection-flags.ts'

export const tokenFlags = [
  { name: 'token', type: 'string' },
  { name: 'token-file', type: 'string' },
  { name: 'token-stdin', type: 'bool' },
] as const satisfies readonly Flag[]

export const connectFromConfig = defineCommand({
  flags: [{ name: 'file', type: 'string' }, ...tokenFlags, ...connectionFlags],
  async run(c, values) {
    if (values.file) return connectTo(c, await storageOfConfig(values.file), values)
    const token = await tokenOf(c, values)
    if (!token) throw new CommandError("can't connect to storage: one of --file, --token-file, --token-stdin or --token must be provided")
    await connectTo(c, token.storage, values, token.password)
  },
})

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
