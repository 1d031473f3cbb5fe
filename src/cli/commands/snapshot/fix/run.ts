import { availableParallelism } from 'node:os'
import { messageOf } from '#base/errors.ts'
import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import type { Flag, ValuesOf } from '#cli/flag.ts'
import type { Repository } from '#repo/repository/repository.ts'
import type { InvalidDirectoryHandling, RewriteOptions } from '#snapshot/fix/rewrite.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'

/** Flags of both "snapshot fix" commands (spec 06, 8.5). */
export const fixFlags = [
  { name: 'manifest-id', type: 'string', repeated: true, describe: 'Fix these snapshots' },
  { name: 'source', type: 'string', repeated: true, describe: 'Fix the snapshots of these sources' },
  { name: 'commit', type: 'bool', describe: 'Replace the snapshots by what they become' },
  { name: 'parallel', type: 'int' },
  {
    name: 'invalid-directory-handling',
    type: 'enum',
    values: ['fail', 'stub', 'keep'],
    default: 'stub',
    describe: 'What becomes of directories that cannot be read',
  },
] as const satisfies readonly Flag[]

type Values = ValuesOf<(typeof fixFlags)[number]>

/** Rewrites the snapshots that the flags name and says what came of it. */
export async function runFix(c: CommandContext, repository: Repository, values: Values, decide: RewriteOptions['decide']): Promise<void> {
  const [{ fixSnapshots }, { formatSource }] = await Promise.all([import('#snapshot/fix/fix.ts'), import('#snapshot/model/source-text.ts')])
  const { commit } = values
  const fixed = await fixSnapshots(repository, {
    snapshots: await snapshotsToFix(c, repository, values),
    commit,
    decide,
    invalidDirectories: values['invalid-directory-handling'] as InvalidDirectoryHandling,
    parallel: Math.max(1, values.parallel || availableParallelism()),
    signal: c.stop,
    onSource: (source) => c.log.info(`Processing snapshot ${formatSource(source)}`),
    onSnapshot: (before, after) => c.log.info(snapshotText(c, before, after)),
  })
  await repository.flush()
  if (fixed === 0) c.log.info('No changes.')
  else if (commit) c.log.info(`Fixed and committed ${fixed} snapshots.`)
  else c.log.info(`Fixed ${fixed} snapshots, but snapshot manifests were not updated. Pass --commit to update snapshots.`)
}

function snapshotText(c: CommandContext, before: Snapshot, after: Snapshot): string {
  const time = c.times.seconds(before.startNs)
  if (before === after) return `  ${time} unchanged (${before.id})`
  const size = (s: Snapshot) => s.rootEntry?.summary?.totalBytes ?? s.rootEntry?.sizeBytes ?? 0
  const delta = size(after) - size(before)
  return [
    `  ${time} replaced manifest from ${before.id} to ${after.id}`,
    `    diff ${before.rootEntry?.objectId ?? ''} ${after.rootEntry?.objectId ?? ''}`,
    ...(delta === 0 ? [] : [`    delta:${delta < 0 ? '-' : '+'}${c.sizes.bytes(Math.abs(delta))}`]),
  ].join('\n')
}

async function snapshotsToFix(c: CommandContext, repository: Repository, values: Values): Promise<Snapshot[]> {
  const [{ listSnapshots, loadSnapshot }, { parseSource }] = await Promise.all([
    import('#snapshot/model/snapshots.ts'),
    import('#snapshot/model/source-text.ts'),
  ])
  const onDamaged = (id: string, error: unknown) => c.log.error(`unable to parse snapshot manifest ${id}: ${messageOf(error)}`)
  const ids = values['manifest-id']
  if (ids.length + values.source.length === 0) {
    c.log.info('Listing all snapshots...')
    return listSnapshots(repository, { onDamaged })
  }
  const found = new Map<string, Snapshot>()
  for (const id of ids) found.set(id, await loadSnapshot(repository, id))
  const { username: user, hostname: host } = repository.client
  for (const text of values.source) {
    const snapshots = await listSnapshots(repository, { source: parseSource(text, { user, host }), onDamaged })
    if (snapshots.length === 0) throw new CommandError(`no snapshots for ${text}`)
    for (const s of snapshots) found.set(s.id, s)
  }
  return [...found.values()]
}
