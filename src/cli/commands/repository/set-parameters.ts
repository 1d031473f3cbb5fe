import type { CommandContext } from '#cli/context.ts'
import { defineCommand, type Flag, type ValuesOf } from '#cli/flag.ts'
import { goDuration } from '#cli/print/duration.ts'
import type { BlobRetention, EpochParameters, RepositoryFormat, RequiredFeature } from '#repo/format/repository-format.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { ParameterChanges } from '#repo/repository/set-parameters.ts'

const flags = [
  { name: 'upgrade', type: 'bool' },
  { name: 'max-pack-size-mb', type: 'int', placeholder: 'MB' },
  { name: 'index-version', type: 'int' },
  { name: 'retention-mode', type: 'enum', values: ['none', 'GOVERNANCE', 'COMPLIANCE'] },
  { name: 'retention-period', type: 'duration' },
  { name: 'epoch-refresh-frequency', type: 'duration' },
  { name: 'epoch-min-duration', type: 'duration' },
  { name: 'epoch-cleanup-safety-margin', type: 'duration' },
  { name: 'epoch-advance-on-count', type: 'int' },
  { name: 'epoch-advance-on-size-mb', type: 'int64' },
  { name: 'epoch-delete-parallelism', type: 'int' },
  { name: 'epoch-checkpoint-frequency', type: 'int', placeholder: 'number-of-epochs' },
  { name: 'add-required-feature', type: 'string', hidden: true, onlyIf: 'KOPIA_TESTONLY_FLAGS' },
  { name: 'remove-required-feature', type: 'string', hidden: true, onlyIf: 'KOPIA_TESTONLY_FLAGS' },
  { name: 'warn-on-missing-required-feature', type: 'bool', hidden: true, onlyIf: 'KOPIA_TESTONLY_FLAGS' },
] as const satisfies readonly Flag[]

type Values = ValuesOf<(typeof flags)[number]>
type Writable<T> = { -readonly [K in keyof T]: T[K] }

const mib = 2 ** 20

export const setParametersCommand = defineCommand({
  flags,
  async run(c, values) {
    const { setParameters } = await import('#repo/repository/set-parameters.ts')
    const repository = await c.openDirect()
    const changes = changesOf(c, values, repository.format, repository.retention)
    const upgrades = values.upgrade === true && !repository.format.epochs.enabled
    if (Object.keys(changes).length === 0 && !upgrades) return c.log.info('no changes\n')
    if (changes.retention) await checkExtension(c, repository, changes.retention)
    c.log.info('')
    if (upgrades) {
      const { upgradeWithoutLock } = await import('#repo/repository/upgrade.ts')
      await upgradeWithoutLock(repository)
      c.log.info(' - moved the indexes into epochs.')
    }
    if (Object.keys(changes).length > 0) await setParameters(repository, changes)
    c.log.info('NOTE: Repository parameters updated, you must disconnect and re-connect all other Kopia clients.')
  },
})

/** Throws CommandError where maintenance is to extend the locks and would come too late. */
async function checkExtension(c: CommandContext, repository: DirectRepository, retention: BlobRetention): Promise<void> {
  const [{ readParameters }, { checkObjectLocks }] = await Promise.all([
    import('#repo/maintenance/parameters.ts'),
    import('#cli/commands/maintenance/object-locks.ts'),
  ])
  const parameters = await readParameters(repository.manifests)
  if (parameters) checkObjectLocks(c, parameters, retention)
}

/** What the flags change; 0 or absent leaves a value as it is (spec 06, 11.3). */
function changesOf(c: CommandContext, values: Values, format: RepositoryFormat, retention: BlobRetention): ParameterChanges {
  const changes: Writable<ParameterChanges> = {}
  const say = (line: string) => c.log.info(` - ${line}`)
  const packMb = values['max-pack-size-mb'] ?? 0
  if (packMb !== 0) {
    changes.maxPackSizeBytes = packMb * mib
    say(`setting maximum pack size to ${c.sizes.bytes(packMb * mib)}.`)
  }
  const indexVersion = values['index-version'] ?? 0
  if (indexVersion !== 0 && indexVersion !== format.indexVersion) {
    changes.indexVersion = indexVersion as 1 | 2
    say(`setting index format version to ${indexVersion}.`)
  }
  const lock = retentionOf(c, values, retention, say)
  if (lock) changes.retention = lock
  const epochs = epochsOf(values, format.epochs, c, say)
  if (epochs) changes.epochs = epochs
  const features = featuresOf(values, format.requiredFeatures)
  if (features) changes.requiredFeatures = features
  return changes
}

/** What the repository is to ask of every client from now on: for tests of what clients do then. */
function featuresOf(values: Values, now: readonly RequiredFeature[]): readonly RequiredFeature[] | undefined {
  const added = values['add-required-feature']
  const removed = values['remove-required-feature']
  if (!added && !removed) return undefined
  const kept = now.filter(({ feature }) => feature !== removed && feature !== added)
  return added
    ? [...kept, { feature: added, warn: values['warn-on-missing-required-feature'], message: '', url: '', upgradeToVersion: '' }]
    : kept
}

function retentionOf(c: CommandContext, values: Values, now: BlobRetention, say: (line: string) => void): BlobRetention | undefined {
  const mode = values['retention-mode']
  const periodNs = values['retention-period'] ?? 0n
  if (mode === 'none') {
    if (now.mode === '') return undefined
    // A line that scripts look for as it is.
    c.log.info('disabling blob retention')
    return { mode: '', periodNs: 0n }
  }
  if (mode === undefined && periodNs === 0n) return undefined
  if (mode !== undefined) say(`setting storage backend blob retention mode to ${mode}.`)
  if (periodNs !== 0n) say(`setting storage backend blob retention period to ${goDuration(periodNs)}.`)
  return { mode: (mode ?? now.mode) as BlobRetention['mode'], periodNs: periodNs === 0n ? now.periodNs : periodNs }
}

function epochsOf(values: Values, now: EpochParameters, c: CommandContext, say: (line: string) => void): EpochParameters | undefined {
  const wanted: Partial<Writable<EpochParameters>> = {}
  const durations = [
    ['epoch-refresh-frequency', 'epochRefreshFrequencyNs', 'epoch refresh frequency'],
    ['epoch-min-duration', 'minEpochDurationNs', 'minimum epoch duration'],
    ['epoch-cleanup-safety-margin', 'cleanupSafetyMarginNs', 'epoch cleanup safety margin'],
  ] as const
  for (const [flag, key, what] of durations) {
    const value = values[flag]
    if (!value) continue
    wanted[key] = value
    say(`setting ${what} to ${goDuration(value)}.`)
  }
  const counts = [
    ['epoch-advance-on-count', 'epochAdvanceOnCountThreshold', 'epoch advance on count threshold', 1],
    ['epoch-advance-on-size-mb', 'epochAdvanceOnTotalSizeBytesThreshold', 'epoch advance on total size threshold', mib],
    ['epoch-delete-parallelism', 'deleteParallelism', 'epoch delete parallelism', 1],
    ['epoch-checkpoint-frequency', 'fullCheckpointFrequency', 'epoch checkpoint frequency', 1],
  ] as const
  for (const [flag, key, what, unit] of counts) {
    const value = values[flag]
    if (!value) continue
    wanted[key] = value * unit
    say(`setting ${what} to ${unit === 1 ? value : c.sizes.bytes(value * unit)}.`)
  }
  return Object.keys(wanted).length === 0 ? undefined : { ...now, ...wanted }
}
