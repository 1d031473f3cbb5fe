import { messageOf } from '#base/errors.ts'
import { openSettings } from '#cli/connection.ts'
import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import type { Command } from '#cli/flag.ts'
import { newPassword, rememberPassword } from '#cli/password.ts'
import { alignRows } from '#cli/print/table.ts'
import { noteUpdateCheck } from '#cli/update-check.ts'
import type { ConnectionInfo } from '#repo/blob/registry.ts'
import type { BlobRetention } from '#repo/format/repository-format.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { storageOf } from './connect.ts'
import { connectSettings } from './connection-flags.ts'
import { type CreateValues, createFlags } from './create-flags.ts'
import type { StorageProvider } from './storages/provider.ts'

/** "repository create" for one kind of storage. */
export const createCommand = (provider: StorageProvider): Command => ({
  args: [],
  flags: [...provider.flags, ...createFlags],
  run: async (c, given) => {
    const values = given as CreateValues
    const storage = await provider.connectionFrom(given, { use: 'create', context: c, formatVersion: values['format-version'] ?? 0 })
    await createIn(c, storage, values)
  },
})

/** Makes a repository in an empty storage, connects to it, and gives it its first policy and maintenance owner (spec 06, 11.1). */
export async function createIn(c: CommandContext, storageConnection: ConnectionInfo, values: CreateValues): Promise<void> {
  const { createRepository, requireEmpty } = await import('#repo/repository/create.ts')
  const retention = retentionOf(values)
  const storage = await storageOf(storageConnection, true)
  let password: string
  try {
    await requireEmpty(storage).catch((error: unknown) => {
      throw new CommandError(`unable to get repository storage: ${messageOf(error)}`, { cause: error })
    })
    password = await newPassword(c)
    announce(c, values)
    await createRepository(storage, { ...formatOf(values), ...(retention ? { retention } : {}) }, password)
  } finally {
    await storage.close()
  }
  if (values['create-only']) return
  await setUp(c, storageConnection, values, password)
}

async function setUp(c: CommandContext, storageConnection: ConnectionInfo, values: CreateValues, password: string): Promise<void> {
  const { connectAndOpen } = await import('#repo/repository/connect.ts')
  const settings = connectSettings(values)
  // The first policy must be written even if the connection will be read-only.
  const writable = { ...settings, client: { ...settings.client, readOnly: false } }
  const repository = await connectAndOpen({ ...openSettings(c), ...writable, configFile: c.configFile, storageConnection, password })
  try {
    await writeFirstManifests(c, repository)
  } finally {
    await repository.close()
  }
  if (values.readonly) {
    const { setClient } = await import('#repo/repository/connect.ts')
    await setClient(c.configFile, { readOnly: true })
  }
  await rememberPassword(c, password)
  noteUpdateCheck(c, values['check-for-updates'])
}

async function writeFirstManifests(c: CommandContext, repository: DirectRepository): Promise<void> {
  const [{ effectivePolicy, setPolicy }, { defaultPolicy }, { globalSource }, { newRepositoryRows }, { ensureMaintenanceOwner }] =
    await Promise.all([
      import('#snapshot/policy/store.ts'),
      import('#snapshot/policy/defaults.ts'),
      import('#snapshot/model/source-text.ts'),
      import('#cli/print/policy-rows.ts'),
      import('#repo/maintenance/owner.ts'),
    ])
  const { username, hostname } = repository.client
  await setPolicy(repository, globalSource, defaultPolicy)
  await ensureMaintenanceOwner(repository.manifests, `${username}@${hostname}`)
  await repository.flush()
  c.log.info('Connected to repository.')
  c.log.info('\nNOTICE: Repository retention and compression are those of the global policy. Change it with "kura policy set --global".')
  c.log.info(`\nNOTE: ${username}@${hostname} is the owner of repository maintenance.\n`)
  const rows = newRepositoryRows(await effectivePolicy(repository, globalSource), globalSource, c.sizes)
  for (const line of alignRows(rows)) c.io.out(line)
}

function retentionOf(values: CreateValues): BlobRetention | undefined {
  const mode = values['retention-mode']
  const periodNs = values['retention-period'] ?? 0n
  if ((mode === undefined) !== (periodNs === 0n)) throw new CommandError('--retention-mode and --retention-period must be given together')
  return mode === undefined ? undefined : { mode: mode as BlobRetention['mode'], periodNs }
}

const formatOf = (values: CreateValues) => ({
  ...(values['format-version'] ? { version: values['format-version'] } : {}),
  hash: values['block-hash'],
  encryption: values.encryption,
  ...(values['ecc-overhead-percent'] > 0 ? { ecc: values.ecc, eccOverheadPercent: values['ecc-overhead-percent'] } : {}),
  splitter: values['object-splitter'],
  keyAlgorithm: values['format-block-key-derivation-algorithm'],
})

function announce(c: CommandContext, values: CreateValues): void {
  const line = (label: string, value: string) => c.log.info(`  ${label.padEnd(21)}${value}`)
  c.log.info('Initializing repository with:')
  if (values['format-version']) line('format version:', String(values['format-version']))
  line('block hash:', values['block-hash'])
  line('encryption:', values.encryption)
  line('key derivation:', values['format-block-key-derivation-algorithm'])
  if (values['ecc-overhead-percent'] > 0) line('ecc:', `${values.ecc} with ${values['ecc-overhead-percent']}% overhead`)
  line('splitter:', values['object-splitter'])
}
