import type { JsonValue } from '#base/go-json.ts'
import { goJsonIndented } from '#base/go-json.ts'
import type { CommandContext } from '#cli/context.ts'
import { defineCommand, jsonFlags } from '#cli/flag.ts'
import { existingPassword } from '#cli/password.ts'
import { printJson } from '#cli/print/json.ts'
import { maskSecrets, statusJson, statusLines } from '#cli/print/status.ts'
import { readLocalConfig } from '#repo/repository/local-config.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'

export const status = defineCommand({
  flags: [
    { name: 'reconnect-token', short: 't', type: 'bool' },
    { name: 'reconnect-token-with-password', short: 's', type: 'bool' },
    ...jsonFlags,
  ],
  async run(c, values) {
    const repository = await c.openDirect()
    const [config, volume, epochs] = await Promise.all([
      readLocalConfig(c.configFile, c.env),
      repository.blobs.extras.capacity?.().catch(() => undefined),
      // What opening has just seen, not listed again.
      repository.contents.upkeep?.epochs?.state(),
    ])
    const storage = { type: repository.blobs.connection.type, config: maskSecrets(repository.blobs.connection.config as JsonValue) }
    const facts = { repository, config, configFile: c.configFile, storage, volume, currentEpoch: epochs?.writeEpoch }
    if (values.json) return printJson(c.io, statusJson(facts), values['json-indent'])
    for (const line of statusLines(facts, c.sizes, goJsonIndented(storage.config, ' '.repeat(21)))) c.io.out(line)
    if (values['reconnect-token']) await printToken(c, repository, values['reconnect-token-with-password'])
  },
})

async function printToken(c: CommandContext, repository: DirectRepository, withPassword: boolean): Promise<void> {
  const { encodeToken } = await import('#repo/repository/token.ts')
  const password = withPassword ? await existingPassword(c, true) : ''
  c.io.out('\nTo reconnect to the repository use:\n')
  c.io.out(`$ kopia repository connect from-config --token ${encodeToken({ storage: repository.blobs.connection, password })}\n`)
  if (withPassword)
    c.io.out(
      'NOTICE: The token printed above can be trivially decoded to reveal the repository password. Do not store it in an unsecured place.',
    )
}
