import { setTimeout as sleepFor } from 'node:timers/promises'
import { UsageError } from '#base/errors.ts'
import { formatTimeNs } from '#base/time.ts'
import { openConnected } from '#cli/connection.ts'
import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'
import { isDrained, isLocked, upgradeTimeNs } from '#repo/format/upgrade-lock.ts'
import { type DirectRepository, isDirect } from '#repo/repository/repository.ts'

const enablingVariable = 'KOPIA_UPGRADE_LOCK_ENABLED'
const minDrainNs = 900_000_000_000n
const nsPerMs = 1_000_000n

/** Refuses while the environment does not say that the person means it (spec 06, 11.3). Throws UsageError. */
function requireEnabled(c: CommandContext): void {
  if ((c.env[enablingVariable] ?? '') === '')
    throw new UsageError(`upgrades of the repository format are off. Set ${enablingVariable}=1 to use them.`)
}

/** Each phase looks at the repository as it is by then. */
async function inFreshRepository<R>(c: CommandContext, work: (repository: DirectRepository) => Promise<R>): Promise<R> {
  const repository = await openConnected(c)
  try {
    if (!isDirect(repository)) throw new CommandError('an upgrade needs a direct connection to the storage')
    return await work(repository)
  } finally {
    await repository.close()
  }
}

export const upgradeBegin = defineCommand({
  flags: [
    { name: 'io-drain-timeout', type: 'duration', default: '15m0s' },
    { name: 'allow-unsafe-upgrade', type: 'bool', hidden: true },
    { name: 'status-poll-interval', type: 'duration', default: '60s' },
    { name: 'max-permitted-clock-drift', type: 'duration', default: '5m0s' },
    { name: 'lock-only', type: 'bool', hidden: true },
    { name: 'commit-mode', type: 'enum', values: ['always', 'never'], hidden: true },
  ],
  async run(c, values) {
    requireEnabled(c)
    const upgrade = await import('#repo/repository/upgrade.ts')
    if (values['io-drain-timeout'] < minDrainNs && !values['allow-unsafe-upgrade'])
      throw new CommandError(
        'with less than 15m for --io-drain-timeout, clients that still write may be missed. --allow-unsafe-upgrade takes that risk.',
      )
    try {
      await inFreshRepository(c, (repository) => upgrade.placeLock(repository, lockOf(c, values, repository.format.version)))
    } catch (error) {
      if (!(error instanceof upgrade.UpgradeStateError)) throw error
      return c.log.info('Repository format is already upto date.')
    }
    if (values['lock-only']) return
    await inFreshRepository(c, (repository) => waitUntilDrained(c, repository, values['status-poll-interval']))
    const moved = await inFreshRepository(c, (repository) => upgrade.upgradeIndexes(repository))
    if (moved) c.log.info('Repository indices have been upgraded.')
    // Also indexes that an earlier run has moved and not committed: they may have been damaged since.
    const compare = moved || (await inFreshRepository(c, upgrade.areOldIndexesInForce))
    const valid = !compare || (await inFreshRepository(c, (repository) => validate(c, repository)))
    if (!valid && values['commit-mode'] !== 'always')
      throw new CommandError('the new indexes do not say what the old ones do: the upgrade was not committed. Roll it back.')
    if (values['commit-mode'] === 'never') return c.log.info("Commit mode is set to 'never'.  Skipping commit.")
    await inFreshRepository(c, (repository) => upgrade.commitUpgrade(repository))
    c.log.info('Repository has been successfully upgraded.')
  },
})

interface LockValues {
  readonly 'io-drain-timeout': bigint
  readonly 'status-poll-interval': bigint
  readonly 'max-permitted-clock-drift': bigint
}

const lockOf = (c: CommandContext, values: LockValues, version: number) => ({
  ownerId: c.globals['upgrade-owner-id'] ?? '',
  advanceNoticeDurationNs: 0n,
  ioDrainTimeoutNs: values['io-drain-timeout'],
  statusPollIntervalNs: values['status-poll-interval'],
  message: `Upgrading from format version ${version} -> 3`,
  maxPermittedClockDriftNs: values['max-permitted-clock-drift'],
})

async function waitUntilDrained(c: CommandContext, repository: DirectRepository, intervalNs: bigint): Promise<void> {
  const lock = repository.format.upgradeLock
  if (!lock) throw new CommandError('no upgrade in progress: somebody has rolled it back')
  if (repository.format.epochs.enabled && lock.advanceNoticeDurationNs === 0n)
    return c.log.info('Repository indices have already been migrated to the epoch format, no need to drain other clients')
  for (;;) {
    const nowNs = repository.clock.nowNs()
    if (isLocked(lock, nowNs) && isDrained(lock, nowNs)) return
    c.log.info(`Waiting for other clients to finish, until ${formatTimeNs(upgradeTimeNs(lock))}.`)
    await sleepFor(Number(intervalNs / nsPerMs), undefined, { signal: c.stop })
  }
}

/** True when the new indexes agree with the old ones, or there is nothing to compare. */
async function validate(c: CommandContext, repository: DirectRepository): Promise<boolean> {
  const { compareIndexes } = await import('#repo/repository/upgrade.ts')
  const differences = await compareIndexes(repository)
  if (!differences) {
    c.log.info('There are no two sets of indexes to compare.')
    return true
  }
  for (const { id, field, before, after } of differences)
    c.log.error(`index entries of ${id} do not match: ${JSON.stringify(before)}, ${JSON.stringify(after)} in ${field}`)
  if (differences.length === 0) c.log.info('index validation succeeded')
  return differences.length === 0
}

export const upgradeRollback = defineCommand({
  flags: [{ name: 'force', type: 'bool' }],
  async run(c, values) {
    requireEnabled(c)
    if (!values.force) throw new CommandError('a rollback loses what was written since the upgrade began. Add --force if that is meant.')
    const { rollBackUpgrade } = await import('#repo/repository/upgrade.ts')
    await inFreshRepository(c, rollBackUpgrade)
    c.log.info('Repository upgrade lock has been revoked.')
  },
})

export const upgradeValidate = defineCommand({
  flags: [],
  async run(c) {
    requireEnabled(c)
    await inFreshRepository(c, (repository) => validate(c, repository))
  },
})
