import type { JsonValue } from '#base/go-json.ts'
import type { LocalConfig } from '#repo/repository/local-config.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { goDuration } from './duration.ts'
import type { SizePrinter } from './sizes.ts'

/** All that "repository status" tells. */
export interface StatusFacts {
  readonly repository: DirectRepository
  readonly config: LocalConfig
  readonly configFile: string
  /** Secrets masked. */
  readonly storage: { readonly type: string; readonly config: JsonValue }
  readonly volume: { readonly totalBytes: bigint; readonly freeBytes: bigint } | undefined
  readonly currentEpoch: number | undefined
}

const secretKeys = new Set(
  [
    'password',
    'secretAccessKey',
    'sessionToken',
    'webIdentityToken',
    'storageKey',
    'sasToken',
    'clientSecret',
    'clientCertificate',
    'key',
    'keyData',
    'keyPassphrase',
    'credentials',
    // Kopia shows it, but it is a file of passwords.
    'embeddedConfig',
  ].map((k) => k.toLowerCase()),
)

/** The same JSON with every secret text replaced by one `*` per byte, and every other secret left out (spec 04, 4.1.6; spec 06, 11.2). */
export function maskSecrets(value: JsonValue): JsonValue {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(maskSecrets)
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, member]): [string, JsonValue][] => {
      if (!secretKeys.has(key.toLowerCase())) return [[key, member === undefined ? null : maskSecrets(member as JsonValue)]]
      return typeof member === 'string' ? [[key, '*'.repeat(Buffer.byteLength(member))]] : []
    }),
  )
}

const labelled = (label: string, value: string): string => `${label.padEnd(21)}${value}`

function cacheDurationText(ns: bigint): string {
  if (ns < 0n) return 'disabled'
  return goDuration(ns === 0n ? 900_000_000_000n : ns)
}

/** Lines of "repository status" (spec 06, 11.2). `storageText`: the storage's configuration as indented JSON. */
export function statusLines(facts: StatusFacts, sizes: SizePrinter, storageText: string): string[] {
  const { client } = facts.repository
  return [
    labelled('Config file:', facts.configFile),
    '',
    labelled('Description:', client.description),
    labelled('Hostname:', client.hostname),
    labelled('Username:', client.username),
    labelled('Read-only:', String(client.readOnly)),
    labelled('Format blob cache:', cacheDurationText(facts.config.formatBlobCacheDurationNs)),
    '',
    labelled('Storage type:', facts.storage.type),
    ...capacityLines(facts, sizes),
    labelled('Storage config:', storageText),
    '',
    ...formatLines(facts, sizes),
    ...epochLines(facts, sizes),
    ...lockLines(facts),
  ]
}

function capacityLines({ volume }: StatusFacts, sizes: SizePrinter): string[] {
  if (!volume) return [labelled('Storage capacity:', 'unbounded')]
  return [
    labelled('Storage capacity:', sizes.bytes(Number(volume.totalBytes))),
    labelled('Storage available:', sizes.bytes(Number(volume.freeBytes))),
  ]
}

function formatLines({ repository }: StatusFacts, sizes: SizePrinter): string[] {
  const { format } = repository
  return [
    labelled('Unique ID:', format.uniqueId.toString('hex')),
    labelled('Hash:', format.hash),
    labelled('Encryption:', format.encryption),
    labelled('Splitter:', format.splitter),
    labelled('Format version:', String(format.version)),
    labelled('Content compression:', String(format.indexVersion >= 2)),
    labelled('Password changes:', String(format.enablePasswordChange)),
    ...(format.requiredFeatures.length > 0
      ? [labelled('Required Features:', format.requiredFeatures.map((f) => f.feature).join(' '))]
      : []),
    labelled('Max pack length:', sizes.bytes(format.maxPackSizeBytes)),
    labelled('Index Format:', `v${format.indexVersion}`),
  ]
}

function epochLines({ repository, currentEpoch }: StatusFacts, sizes: SizePrinter): string[] {
  const e = repository.format.epochs
  if (!e.enabled) return [labelled('Epoch Manager:', 'disabled')]
  const advance = `${e.epochAdvanceOnCountThreshold} blobs or ${sizes.bytes(e.epochAdvanceOnTotalSizeBytesThreshold)}`
  return [
    '',
    labelled('Epoch Manager:', 'enabled'),
    `Current Epoch: ${currentEpoch ?? 0}`,
    '',
    `Epoch refresh frequency: ${goDuration(e.epochRefreshFrequencyNs)}`,
    `Epoch advance on:        ${advance}, minimum ${goDuration(e.minEpochDurationNs)}`,
    `Epoch cleanup margin:    ${goDuration(e.cleanupSafetyMarginNs)}`,
    `Epoch range-compaction every: ${e.fullCheckpointFrequency} epochs`,
  ]
}

function lockLines({ repository }: StatusFacts): string[] {
  const { mode, periodNs } = repository.retention
  const retention = mode === '' ? [] : ['', `Blob retention mode:     ${mode}`, `Blob retention period:   ${goDuration(periodNs)}`]
  const lock = repository.format.upgradeLock
  if (!lock) return retention
  return [
    ...retention,
    '',
    labelled('Ongoing upgrade:', lock.message),
    labelled('Upgrade Time:', lock.creationTime),
    labelled('Upgrade Owner:', lock.ownerId),
    labelled('Upgrade lock:', 'Locked'),
    labelled('Lock status:', isDrained(repository) ? 'Fully Established' : 'Draining'),
  ]
}

/** Whether every other client has seen the lock by now (spec 01, 1.14). */
function isDrained(repository: DirectRepository): boolean {
  const lock = repository.format.upgradeLock
  if (!lock) return false
  const drained = BigInt(Date.parse(lock.creationTime)) * 1_000_000n + lock.advanceNoticeDurationNs + lock.maxPermittedClockDriftNs
  return repository.clock.nowNs() > drained + 2n * lock.ioDrainTimeoutNs
}

/** The same as JSON (spec 06, section 15). */
export function statusJson(facts: StatusFacts): JsonValue {
  const { repository, config, volume } = facts
  const { client, format, retention } = repository
  const e = format.epochs
  return {
    configFile: facts.configFile,
    uniqueIDHex: format.uniqueId.toString('hex'),
    clientOptions: {
      hostname: client.hostname,
      username: client.username,
      readonly: client.readOnly || undefined,
      permissiveCacheLoading: config.permissiveCacheLoading || undefined,
      description: client.description || undefined,
      enableActions: client.enableActions,
      formatBlobCacheDuration: config.formatBlobCacheDurationNs || undefined,
      throttlingLimits: config.throttlingLimits as JsonValue | undefined,
    },
    storage: facts.storage,
    volume: volume && { capacity: volume.totalBytes || undefined, available: volume.freeBytes },
    contentFormat: {
      hash: format.hash || undefined,
      encryption: format.encryption || undefined,
      ecc: format.ecc || undefined,
      eccOverheadPercent: format.eccOverheadPercent || undefined,
      version: format.version || undefined,
      maxPackSize: format.maxPackSizeBytes || undefined,
      indexVersion: format.indexVersion || undefined,
      epochParameters: {
        Enabled: e.enabled,
        EpochRefreshFrequency: e.epochRefreshFrequencyNs,
        FullCheckpointFrequency: e.fullCheckpointFrequency,
        CleanupSafetyMargin: e.cleanupSafetyMarginNs,
        MinEpochDuration: e.minEpochDurationNs,
        EpochAdvanceOnCountThreshold: e.epochAdvanceOnCountThreshold,
        EpochAdvanceOnTotalSizeBytesThreshold: e.epochAdvanceOnTotalSizeBytesThreshold,
        DeleteParallelism: e.deleteParallelism,
      },
      enablePasswordChange: format.enablePasswordChange,
    },
    objectFormat: { splitter: format.splitter || undefined },
    blobRetention: { retentionMode: retention.mode || undefined, retentionPeriod: retention.periodNs || undefined },
  }
}
