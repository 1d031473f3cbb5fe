/** Inner configuration of a repository, typed (spec 01, 1.6). Durations in nanoseconds. */
export interface RepositoryFormat {
  readonly uniqueId: Buffer
  readonly version: number
  readonly hash: string
  readonly encryption: string
  readonly ecc: string
  readonly eccOverheadPercent: number
  readonly secret: Buffer
  readonly masterKey: Buffer
  readonly maxPackSizeBytes: number
  readonly indexVersion: 1 | 2
  readonly epochs: EpochParameters
  readonly enablePasswordChange: boolean
  readonly splitter: string
  readonly requiredFeatures: readonly RequiredFeature[]
  readonly upgradeLock?: UpgradeLock
}

export interface EpochParameters {
  readonly enabled: boolean
  readonly epochRefreshFrequencyNs: bigint
  readonly fullCheckpointFrequency: number
  readonly cleanupSafetyMarginNs: bigint
  readonly minEpochDurationNs: bigint
  readonly epochAdvanceOnCountThreshold: number
  readonly epochAdvanceOnTotalSizeBytesThreshold: number
  readonly deleteParallelism: number
}

export interface RequiredFeature {
  readonly feature: string
  readonly warn: boolean
  readonly message: string
  readonly url: string
  readonly upgradeToVersion: string
}

/** Spec 01, 1.14. `creationTime` stays text: it has nanoseconds and an offset. */
export interface UpgradeLock {
  readonly ownerId: string
  readonly creationTime: string
  readonly advanceNoticeDurationNs: bigint
  readonly ioDrainTimeoutNs: bigint
  readonly statusPollIntervalNs: bigint
  readonly message: string
  readonly maxPermittedClockDriftNs: bigint
}

/** Contents of `kopia.blobcfg` (spec 01, 1.7). */
export interface BlobRetention {
  readonly mode: '' | 'GOVERNANCE' | 'COMPLIANCE'
  readonly periodNs: bigint
}
