import { messageOf } from '#base/errors.ts'
import { mapLimited } from '#base/limit.ts'
import { openSettings } from '#cli/connection.ts'
import type { CommandContext } from '#cli/context.ts'
import { CommandError, SilentFailure } from '#cli/exit.ts'
import { defineCommand, type Flag, type ValuesOf } from '#cli/flag.ts'
import { givenPassword } from '#cli/password.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'

const filesAtOnce = 8

const flags = [
  { name: 'source-config', type: 'existingFile', required: true, describe: 'Configuration file of the repository to copy from' },
  { name: 'sources', type: 'string', repeated: true, describe: 'Copy the snapshots of these sources' },
  { name: 'all', type: 'bool', describe: 'Copy the snapshots of all sources' },
  { name: 'policies', type: 'bool', default: 'true', describe: 'Copy policies, too' },
  { name: 'overwrite-policies', type: 'bool', describe: 'Replace policies that are there' },
  { name: 'latest-only', type: 'bool', describe: 'Only the latest snapshot of each source' },
  { name: 'parallel', type: 'int', default: '1', describe: 'Sources copied at once' },
  { name: 'apply-ignore-rules', type: 'bool', describe: 'Leave out what the policies ignore now' },
] as const satisfies readonly Flag[]

type Values = ValuesOf<(typeof flags)[number]>

/** "snapshot migrate" (spec 06, 8.3; spec 07, 7.7.4). */
export const migrate = defineCommand({
  flags,
  async run(c, values) {
    if (!values.all && values.sources.length === 0) throw new CommandError('must specify either --all or --sources')
    const stop = c.stop
    const to = await c.open()
    const from = await openSource(c, values['source-config'] as string)
    try {
      const sources = await sourcesToCopy(from, values)
      if (values.policies) await copyPolicies(c, from, to, sources, values)
      await mapLimited(sources, Math.max(1, values.parallel), (source) => copySource(c, from, to, source, values))
      await to.flush()
    } finally {
      await from.close()
    }
    c.io.err('\r\n')
    if (stop.aborted) {
      c.log.warning('The migration was cancelled: snapshots that were not copied in full are not saved.')
      throw new SilentFailure()
    }
    c.log.info('Migration finished.')
  },
})

async function openSource(c: CommandContext, configFile: string): Promise<Repository> {
  const [{ openRepository }, { readPassword }] = await Promise.all([
    import('#repo/repository/open.ts'),
    import('#repo/repository/password-store.ts'),
  ])
  const saved = await readPassword(configFile)
  const password = saved ?? givenPassword(c) ?? (await c.io.askSecret('Enter password to open the source repository: '))
  try {
    return await openRepository({ ...openSettings(c), configFile, password, env: {} })
  } catch (error) {
    throw new CommandError(`can't open the source repository of ${configFile}: ${messageOf(error)}`, { cause: error })
  }
}

async function sourcesToCopy(from: Repository, values: Values): Promise<SourceInfo[]> {
  const [{ listSources }, { parseSource }] = await Promise.all([
    import('#snapshot/model/snapshots.ts'),
    import('#snapshot/model/source-text.ts'),
  ])
  if (values.all) return listSources(from)
  return values.sources.map((text) => parseSource(text, { user: from.client.username, host: from.client.hostname }))
}

async function copyPolicies(c: CommandContext, from: Repository, to: Repository, sources: readonly SourceInfo[], values: Values) {
  const [{ migratePolicy }, { listPolicies }, { formatSource }] = await Promise.all([
    import('#snapshot/migrate/migrate.ts'),
    import('#snapshot/policy/store.ts'),
    import('#snapshot/model/source-text.ts'),
  ])
  const targets = values.all ? (await listPolicies(from)).map((p) => p.target) : sources
  for (const target of targets)
    if (await migratePolicy(from, to, target, values['overwrite-policies'])) c.log.info(`migrated policy for ${formatSource(target)}`)
}

/** An error of one source is only told: the others go on, and the status stays 0, as scripts expect. */
async function copySource(c: CommandContext, from: Repository, to: Repository, source: SourceInfo, values: Values): Promise<void> {
  const [{ migrateSource }, { formatSource }] = await Promise.all([
    import('#snapshot/migrate/migrate.ts'),
    import('#snapshot/model/source-text.ts'),
  ])
  if (c.stop.aborted) return
  const name = formatSource(source)
  const texts = { copying: 'migrating snapshot', present: 'already migrated', incomplete: 'ignoring incomplete' }
  try {
    await migrateSource({
      from,
      to,
      source,
      latestOnly: values['latest-only'],
      appliesRules: values['apply-ignore-rules'],
      parallel: filesAtOnce,
      signal: c.stop,
      onSnapshot: ({ startNs }, what) => c.log.info(`${texts[what]} ${name} at ${c.times.seconds(startNs)}`),
      onFailure: ({ startNs }, path, error) =>
        c.log.error(`error copying ${path} of ${name} at ${c.times.seconds(startNs)}: ${messageOf(error)}`),
      onNote: (message) => c.log.warning(message),
    })
    await to.flush()
  } catch (error) {
    if (!c.stop.aborted) c.log.error(`unable to migrate ${name}: ${messageOf(error)}`)
  }
}
