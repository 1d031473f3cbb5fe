import { randomBytes } from 'node:crypto'
import { defaultCipherName } from '#repo/crypto/cipher.ts'
import { defaultHashName } from '#repo/crypto/hash.ts'
import { InvalidFormatError } from './errors.ts'
import { checkReadable } from './format-blob.ts'
import type { EpochParameters, RepositoryFormat } from './repository-format.ts'

/** What may be chosen at creation; everything has a default (spec 01, 1.8). */
export interface NewFormatOptions {
  readonly version?: number
  readonly hash?: string
  readonly encryption?: string
  readonly ecc?: string
  readonly eccOverheadPercent?: number
  readonly splitter?: string
  readonly maxPackSizeBytes?: number
  readonly uniqueId?: Buffer
  readonly secret?: Buffer
  readonly masterKey?: Buffer
}

/** Epoch parameters of versions 2 and 3 (spec 01, 1.6). */
export const defaultEpochs: EpochParameters = {
  enabled: true,
  epochRefreshFrequencyNs: 1_200_000_000_000n,
  fullCheckpointFrequency: 7,
  cleanupSafetyMarginNs: 14_400_000_000_000n,
  minEpochDurationNs: 86_400_000_000_000n,
  epochAdvanceOnCountThreshold: 20,
  epochAdvanceOnTotalSizeBytesThreshold: 10485760,
  deleteParallelism: 4,
}

const noEpochs: EpochParameters = {
  enabled: false,
  epochRefreshFrequencyNs: 0n,
  fullCheckpointFrequency: 0,
  cleanupSafetyMarginNs: 0n,
  minEpochDurationNs: 0n,
  epochAdvanceOnCountThreshold: 0,
  epochAdvanceOnTotalSizeBytesThreshold: 0,
  deleteParallelism: 0,
}

/** A new repository's configuration. Throws InvalidFormatError and the errors of checkReadable. Source: spec 01, 1.8, 1.9. */
export function buildNewFormat(options: NewFormatOptions = {}): RepositoryFormat {
  const version = options.version || 3
  const percent = version === 1 ? 0 : Math.min(100, Math.max(0, options.eccOverheadPercent ?? 0))
  const format: RepositoryFormat = {
    uniqueId: options.uniqueId ?? randomBytes(32),
    version,
    hash: options.hash || defaultHashName,
    encryption: options.encryption || defaultCipherName,
    ecc: percent > 0 ? options.ecc || 'REED-SOLOMON-CRC32' : '',
    eccOverheadPercent: percent,
    secret: options.secret ?? randomBytes(32),
    masterKey: options.masterKey ?? randomBytes(32),
    maxPackSizeBytes: options.maxPackSizeBytes || 20971520,
    indexVersion: version === 1 ? 1 : 2,
    epochs: version === 1 ? noEpochs : defaultEpochs,
    enablePasswordChange: version !== 1,
    splitter: options.splitter || 'DYNAMIC-4M-BUZHASH',
    requiredFeatures: [],
  }
  checkReadable(format)
  checkWritable(format)
  return format
}

/** Throws InvalidFormatError for settings that must not be written (spec 01, 1.6). */
export function checkWritable(format: RepositoryFormat): void {
  const pack = format.maxPackSizeBytes
  if (!(pack >= 10485760 && pack <= 125829120)) throw new InvalidFormatError(`max pack size ${pack} is not within 10 to 120 MiB`)
  const e = format.epochs
  if (!e.enabled) return
  const rules: [boolean, string][] = [
    [3n * e.epochRefreshFrequencyNs <= e.minEpochDurationNs, 'epoch refresh frequency must be at most a third of the epoch duration'],
    [e.fullCheckpointFrequency > 0, 'epoch checkpoint frequency must be above 0'],
    [e.cleanupSafetyMarginNs >= 3n * e.epochRefreshFrequencyNs, 'epoch cleanup safety margin must be at least 3 refresh frequencies'],
    [e.minEpochDurationNs >= 600_000_000_000n, 'epoch duration must be at least 10 minutes'],
    [e.epochAdvanceOnCountThreshold >= 10, 'epoch advance count must be at least 10'],
    [e.epochAdvanceOnTotalSizeBytesThreshold >= 1048576, 'epoch advance size must be at least 1 MiB'],
  ]
  for (const [holds, message] of rules) if (!holds) throw new InvalidFormatError(message)
}
