import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand, type Flag, type ValuesOf } from '#cli/flag.ts'
import { goDuration } from '#cli/print/duration.ts'
import type { MaintenanceParameters } from '#repo/maintenance/parameters.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { checkObjectLocks } from './object-locks.ts'

const flags = [
  { name: 'owner', type: 'string' },
  { name: 'enable-quick', type: 'bool-with-value', repeated: true },
  { name: 'enable-full', type: 'bool-with-value', repeated: true },
  { name: 'quick-interval', type: 'duration' },
  { name: 'full-interval', type: 'duration' },
  { name: 'pause-quick', type: 'duration' },
  { name: 'pause-full', type: 'duration' },
  { name: 'max-retained-log-count', type: 'int' },
  { name: 'max-retained-log-age', type: 'duration' },
  { name: 'max-retained-log-size-mb', type: 'int64' },
  { name: 'extend-object-locks', type: 'bool-with-value', repeated: true },
  { name: 'list-parallelism', type: 'int' },
] as const satisfies readonly Flag[]

type Values = ValuesOf<(typeof flags)[number]>

export const set = defineCommand({
  flags,
  async run(c, values) {
    const [{ defaultParameters, readParameters, writeParameters }, repository] = await Promise.all([
      import('#repo/maintenance/parameters.ts'),
      c.openDirect(),
    ])
    const before = (await readParameters(repository.manifests)) ?? defaultParameters
    const { after, lines } = changed(c, before, values, repository)
    const pauseQuick = given(values['pause-quick'])
    const pauseFull = given(values['pause-full'])
    if (lines.length === 0 && pauseQuick === undefined && pauseFull === undefined) throw new CommandError('no changes specified')
    checkObjectLocks(c, after, repository.retention)
    for (const line of lines) c.log.info(line)
    await pause(c, repository, pauseQuick, pauseFull)
    if (lines.length > 0) await writeParameters(repository.manifests, after)
    await repository.flush()
  },
})

/** -1 stands for a flag that is not given. */
const given = <T extends number | bigint>(value: T | undefined): T | undefined =>
  value === undefined || value === -1 || value === -1n ? undefined : value

function changed(
  c: CommandContext,
  before: MaintenanceParameters,
  values: Values,
  { client }: DirectRepository,
): { readonly after: MaintenanceParameters; readonly lines: readonly string[] } {
  const lines: string[] = []
  let after = before
  const change = (next: Partial<MaintenanceParameters>, line: string): void => {
    after = { ...after, ...next }
    lines.push(line)
  }
  if (values.owner) {
    const owner = values.owner === 'me' ? `${client.username}@${client.hostname}` : values.owner
    change({ owner }, `Setting maintenance owner to ${owner}`)
  }
  for (const cycle of ['quick', 'full'] as const) {
    const enabled = values[`enable-${cycle}`].at(-1)
    if (enabled !== undefined)
      change({ [cycle]: { ...after[cycle], enabled } }, `Periodic ${cycle} maintenance ${enabled ? 'enabled' : 'disabled'}.`)
    const intervalNs = given(values[`${cycle}-interval`])
    if (intervalNs !== undefined)
      change({ [cycle]: { ...after[cycle], intervalNs } }, `Interval for ${cycle} maintenance set to ${goDuration(intervalNs)}.`)
  }
  const count = given(values['max-retained-log-count'])
  if (count !== undefined)
    change({ logRetention: { ...after.logRetention, maxCount: count } }, `Setting max retained log count to ${count}.`)
  const ageNs = given(values['max-retained-log-age'])
  if (ageNs !== undefined)
    change({ logRetention: { ...after.logRetention, maxAgeNs: ageNs } }, `Setting max retained log age to ${goDuration(ageNs)}.`)
  const megabytes = given(values['max-retained-log-size-mb'])
  if (megabytes !== undefined) {
    const maxTotalBytes = megabytes * 2 ** 20
    change(
      { logRetention: { ...after.logRetention, maxTotalBytes } },
      `Setting total retained log size to ${c.sizes.bytes(maxTotalBytes)}.`,
    )
  }
  const extend = values['extend-object-locks'].at(-1)
  if (extend !== undefined) change({ extendObjectLocks: extend }, `Object Lock extension maintenance ${extend ? 'enabled' : 'disabled'}.`)
  const parallelism = given(values['list-parallelism'])
  if (parallelism !== undefined) change({ listParallelism: parallelism }, `Setting list parallelism to ${parallelism}.`)
  return { after, lines }
}

async function pause(
  c: CommandContext,
  { blobs, clock, format, formatKey }: DirectRepository,
  quickNs: bigint | undefined,
  fullNs: bigint | undefined,
): Promise<void> {
  if (quickNs === undefined && fullNs === undefined) return
  const [{ readSchedule, writeSchedule }, { maintenanceKey }] = await Promise.all([
    import('#repo/maintenance/schedule.ts'),
    import('#repo/crypto/keys.ts'),
  ])
  const key = maintenanceKey(format, formatKey)
  const schedule = await readSchedule(blobs, key)
  const nextQuickNs = quickNs === undefined ? schedule.nextQuickNs : clock.nowNs() + quickNs
  const nextFullNs = fullNs === undefined ? schedule.nextFullNs : clock.nowNs() + fullNs
  if (quickNs !== undefined) c.log.info(`Quick maintenance paused until ${c.times.seconds(nextQuickNs)}`)
  if (fullNs !== undefined) c.log.info(`Full maintenance paused until ${c.times.seconds(nextFullNs)}`)
  await writeSchedule(blobs, key, { ...schedule, nextQuickNs, nextFullNs })
}
