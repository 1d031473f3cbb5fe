import { decodeBase64 } from '#base/base64.ts'
import type { JsonValue } from '#base/go-json.ts'
import { asObject, booleanOf, integerOf, type JsonObject, memberOf, numberOf, stringOf } from '#base/json-read.ts'
import type { EpochParameters, RepositoryFormat, RequiredFeature, UpgradeLock } from './repository-format.ts'

const what = 'the repository configuration'

/** Members of the inner configuration that this program does not know ride along under this key, also through `{ ...format }`. */
const unknownMembers = Symbol('unknown members')
type WithUnknown = RepositoryFormat & { readonly [unknownMembers]?: JsonObject }

const known = new Set(
  (
    'hash encryption ecc eccOverheadPercent secret masterKey version maxPackSize indexVersion epochParameters enablePasswordChange ' +
    'splitter upgradeLock requiredFeatures'
  )
    .toLowerCase()
    .split(' '),
)

/** Typed form of the `format` object. Throws JsonShapeError, Base64Error. Values are not validated. Source: spec 01, 1.6. */
export function readInner(json: JsonObject, uniqueId: Buffer): RepositoryFormat {
  const lock = memberOf(json, 'upgradeLock')
  const format: WithUnknown = {
    uniqueId,
    version: numberOf(json, 'version', what),
    hash: stringOf(json, 'hash', what),
    encryption: stringOf(json, 'encryption', what),
    ecc: stringOf(json, 'ecc', what),
    eccOverheadPercent: numberOf(json, 'eccOverheadPercent', what),
    secret: decodeBase64(stringOf(json, 'secret', what)),
    masterKey: decodeBase64(stringOf(json, 'masterKey', what)),
    maxPackSizeBytes: numberOf(json, 'maxPackSize', what) || 20971520,
    indexVersion: (numberOf(json, 'indexVersion', what) || 1) as 1 | 2,
    epochs: readEpochs(asObject(memberOf(json, 'epochParameters') ?? null, what)),
    enablePasswordChange: booleanOf(json, 'enablePasswordChange', what),
    splitter: stringOf(json, 'splitter', what),
    requiredFeatures: readFeatures(memberOf(json, 'requiredFeatures')),
    ...(lock === undefined || lock === null ? {} : { upgradeLock: readLock(asObject(lock, what)) }),
    [unknownMembers]: Object.fromEntries(Object.entries(json).filter(([k]) => !known.has(k.toLowerCase()))),
  }
  return format
}

function readEpochs(json: JsonObject): EpochParameters {
  return {
    enabled: booleanOf(json, 'Enabled', what),
    epochRefreshFrequencyNs: integerOf(json, 'EpochRefreshFrequency', what),
    fullCheckpointFrequency: numberOf(json, 'FullCheckpointFrequency', what),
    cleanupSafetyMarginNs: integerOf(json, 'CleanupSafetyMargin', what),
    minEpochDurationNs: integerOf(json, 'MinEpochDuration', what),
    epochAdvanceOnCountThreshold: numberOf(json, 'EpochAdvanceOnCountThreshold', what),
    epochAdvanceOnTotalSizeBytesThreshold: numberOf(json, 'EpochAdvanceOnTotalSizeBytesThreshold', what),
    deleteParallelism: numberOf(json, 'DeleteParallelism', what),
  }
}

function readFeatures(value: unknown): RequiredFeature[] {
  if (!Array.isArray(value)) return []
  return value.map((item) => {
    const json = asObject(item, what)
    const otherwise = asObject(memberOf(json, 'ifNotUnderstood') ?? null, what)
    return {
      feature: stringOf(json, 'feature', what),
      warn: booleanOf(otherwise, 'warn', what),
      message: stringOf(otherwise, 'message', what),
      url: stringOf(otherwise, 'url', what),
      upgradeToVersion: stringOf(otherwise, 'upgradeToVersion', what),
    }
  })
}

function readLock(json: JsonObject): UpgradeLock {
  return {
    ownerId: stringOf(json, 'ownerID', what),
    creationTime: stringOf(json, 'creationTime', what),
    advanceNoticeDurationNs: integerOf(json, 'advanceNoticeDuration', what),
    ioDrainTimeoutNs: integerOf(json, 'ioDrainTimeout', what),
    statusPollIntervalNs: integerOf(json, 'statusPollInterval', what),
    message: stringOf(json, 'message', what),
    maxPermittedClockDriftNs: integerOf(json, 'maxPermittedClockDrift', what),
  }
}

const orNone = <T extends string | number | bigint>(value: T): T | undefined => (value ? value : undefined)

/** The `format` object in the order Kopia writes it; unknown members that were read come last (spec 01, 1.6). */
export function innerJson(format: RepositoryFormat): JsonValue {
  const e = format.epochs
  return {
    hash: orNone(format.hash),
    encryption: orNone(format.encryption),
    ecc: orNone(format.ecc),
    eccOverheadPercent: orNone(format.eccOverheadPercent),
    secret: orNone(format.secret.toString('base64')),
    masterKey: orNone(format.masterKey.toString('base64')),
    version: orNone(format.version),
    maxPackSize: orNone(format.maxPackSizeBytes),
    indexVersion: orNone(format.indexVersion as number),
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
    splitter: orNone(format.splitter),
    upgradeLock: format.upgradeLock ? lockJson(format.upgradeLock) : undefined,
    requiredFeatures: format.requiredFeatures.length > 0 ? format.requiredFeatures.map(featureJson) : undefined,
    ...((format as WithUnknown)[unknownMembers] as Record<string, JsonValue> | undefined),
  }
}

const lockJson = (lock: UpgradeLock): JsonValue => ({
  ownerID: orNone(lock.ownerId),
  creationTime: lock.creationTime,
  advanceNoticeDuration: orNone(lock.advanceNoticeDurationNs),
  ioDrainTimeout: orNone(lock.ioDrainTimeoutNs),
  statusPollInterval: orNone(lock.statusPollIntervalNs),
  message: orNone(lock.message),
  maxPermittedClockDrift: orNone(lock.maxPermittedClockDriftNs),
})

const featureJson = (f: RequiredFeature): JsonValue => ({
  feature: f.feature,
  ifNotUnderstood: { warn: f.warn, message: orNone(f.message), url: orNone(f.url), upgradeToVersion: orNone(f.upgradeToVersion) },
})
