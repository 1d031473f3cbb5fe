import { expect, it } from 'vitest'
import { UnknownAlgorithmError } from '#repo/crypto/hash.ts'
import { openBlobConfig, sealBlobConfig } from '#repo/format/blob-config.ts'
import { embedFormatBlob, recoverFormatBlob } from '#repo/format/embedded-copy.ts'
import { CorruptFormatError, InvalidFormatError, RequiredFeatureError } from '#repo/format/errors.ts'
import { checkRequiredFeatures } from '#repo/format/features.ts'
import { decodeInner, openWithFormatKey, parseFormatBlob, sealFormatBlob, sealWithFormatKey } from '#repo/format/format-blob.ts'
import { buildNewFormat, checkWritable } from '#repo/format/new-format.ts'
import type { EpochParameters } from '#repo/format/repository-format.ts'
import { isDrained, isLocked } from '#repo/format/upgrade-lock.ts'
import { seq } from '../crypto/vectors.ts'

it('embeds and recovers a copy of the format blob at either end', () => {
  const wrapper = embedFormatBlob(Buffer.from('{"a":1}\n'))
  expect(wrapper.toString('hex')).toBe('28007b2261223a317d0a481393299af6414c80d40f713770b9b679fa3826df00eaf739631514ce15ae282800')
  const rest = Buffer.alloc(50, 255)
  for (const blob of [Buffer.concat([wrapper, rest]), Buffer.concat([rest, wrapper])]) {
    expect(recoverFormatBlob(blob, blob)?.toString()).toBe('{"a":1}\n')
  }
  expect(recoverFormatBlob(rest, rest)).toBeUndefined()
})

it('keeps retention and refuses half of it or damage', () => {
  const retention = { mode: 'COMPLIANCE', periodNs: 86_400_000_000_001n } as const
  const blob = sealBlobConfig(retention, seq(1, 32), seq(0, 32))
  expect(openBlobConfig(blob, seq(1, 32), seq(0, 32))).toEqual(retention)
  expect(() => openBlobConfig(blob, seq(2, 32), seq(0, 32))).toThrow(CorruptFormatError)
  expect(() => sealBlobConfig({ mode: '', periodNs: 1n }, seq(1, 32), seq(0, 32))).toThrow(InvalidFormatError)
})

it('refuses retention settings that nobody may write, and bytes that are no settings', () => {
  const sealed = (text: string) => sealWithFormatKey(seq(1, 32), seq(0, 32), Buffer.from(text))
  const open = (text: string) => openBlobConfig(sealed(text), seq(1, 32), seq(0, 32))
  expect(open('{}')).toEqual({ mode: '', periodNs: 0n })
  expect(open('{"retentionMode":"GOVERNANCE","retentionPeriod":86400000000000}')).toEqual({
    mode: 'GOVERNANCE',
    periodNs: 86_400_000_000_000n,
  })
  const bad = [
    '{"retentionMode":"FOREVER","retentionPeriod":86400000000000}',
    '{"retentionMode":"COMPLIANCE"}',
    '{"retentionPeriod":86400000000000}',
    '{"retentionMode":"COMPLIANCE","retentionPeriod":86399999999999}',
    '{"retentionMode":"COMPLIANCE","retentionPeriod":-86400000000000}',
    '{"retentionMode":7,"retentionPeriod":86400000000000}',
    '[]',
    'no JSON',
  ]
  for (const text of bad) expect(() => open(text), text).toThrow(CorruptFormatError)
})

it('warns of or refuses unknown features', () => {
  const feature = { feature: 'x', warn: true, message: 'm', url: 'u', upgradeToVersion: '9' }
  const text = "This version of Kopia does not support feature 'x'.\nm\nSee: u\nPlease upgrade to version 9 or newer."
  expect(checkRequiredFeatures([{ ...feature, feature: 'index-v2' }, feature])).toEqual([text])
  expect(() => checkRequiredFeatures([{ ...feature, warn: false }])).toThrow(RequiredFeatureError)
})

it('builds formats per version and refuses bad pack sizes', () => {
  expect(buildNewFormat()).toMatchObject({ version: 3, indexVersion: 2, enablePasswordChange: true })
  expect(buildNewFormat({ version: 1, eccOverheadPercent: 5 })).toMatchObject({ indexVersion: 1, ecc: '', enablePasswordChange: false })
  expect(() => buildNewFormat({ maxPackSizeBytes: 1 })).toThrow(InvalidFormatError)
})

const hour = 3_600_000_000_000n

it.each<[string, Partial<EpochParameters>]>([
  ['refresh frequency', { epochRefreshFrequencyNs: 8n * hour + 1n, cleanupSafetyMarginNs: 100n * hour }],
  ['checkpoint frequency', { fullCheckpointFrequency: 0 }],
  ['cleanup safety margin', { cleanupSafetyMarginNs: hour - 1n }],
  ['duration', { minEpochDurationNs: 599_999_999_999n, epochRefreshFrequencyNs: 1n, cleanupSafetyMarginNs: 3n }],
  ['advance count', { epochAdvanceOnCountThreshold: 9 }],
  ['advance size', { epochAdvanceOnTotalSizeBytesThreshold: 1048575 }],
])('refuses to write a format with a bad epoch %s', (message, change) => {
  const format = buildNewFormat()
  const bad = { ...format, epochs: { ...format.epochs, ...change } }
  expect(() => checkWritable(bad)).toThrow(InvalidFormatError)
  expect(() => checkWritable(bad)).toThrow(message)
  expect(() => checkWritable({ ...bad, epochs: { ...bad.epochs, enabled: false } })).not.toThrow()
})

it('takes epoch parameters at their limits', () => {
  const epochs: EpochParameters = {
    enabled: true,
    epochRefreshFrequencyNs: 200_000_000_000n,
    fullCheckpointFrequency: 1,
    cleanupSafetyMarginNs: 600_000_000_000n,
    minEpochDurationNs: 600_000_000_000n,
    epochAdvanceOnCountThreshold: 10,
    epochAdvanceOnTotalSizeBytesThreshold: 1048576,
    deleteParallelism: 1,
  }
  expect(() => checkWritable({ ...buildNewFormat(), epochs })).not.toThrow()
})

it('keeps the overhead of error correction within 0 to 100 percent, and refuses another kind', () => {
  const percents = [-1, 0, 1, 100, 101].map((eccOverheadPercent) => buildNewFormat({ eccOverheadPercent }))
  expect(percents.map((f) => [f.ecc, f.eccOverheadPercent])).toEqual([
    ['', 0],
    ['', 0],
    ['REED-SOLOMON-CRC32', 1],
    ['REED-SOLOMON-CRC32', 100],
    ['REED-SOLOMON-CRC32', 100],
  ])
  expect(() => buildNewFormat({ eccOverheadPercent: 5, ecc: 'PARITY' })).toThrow(UnknownAlgorithmError)
})

it('keeps members that it does not know through a rewrite', () => {
  const format = buildNewFormat()
  const outer = {
    tool: 't',
    buildVersion: '1',
    buildInfo: '',
    uniqueId: format.uniqueId,
    keyAlgorithm: 'k',
    unknown: { outerNews: [1, 'x'] },
  }
  const key = seq(3, 32)
  const [head, tail] = [sealFormatBlob(format, outer, key), '"innerNews":{"a":9007199254740993}']
  const plain = openWithFormatKey(key, format.uniqueId, parseFormatBlob(head).encryptedBlockFormat).toString()
  // What a later version might write: the same with one member more.
  const newer = sealWithFormatKey(key, format.uniqueId, Buffer.from(plain.replace(/}}$/, `,${tail}}}`)))
  const stored = { ...parseFormatBlob(head), encryptedBlockFormat: newer }
  const changed = { ...decodeInner(stored, key), maxPackSizeBytes: 11 << 20 }
  const again = parseFormatBlob(sealFormatBlob(changed, stored, key))
  expect(again.unknown).toEqual({ outerNews: [1, 'x'] })
  const inner = openWithFormatKey(key, format.uniqueId, again.encryptedBlockFormat).toString()
  expect(inner).toContain(tail)
  expect(inner).toContain('"maxPackSize":11534336')
  expect(decodeInner(again, key).secret).toEqual(format.secret)
})

it('locks a drain time before the upgrade', () => {
  const base = { ownerId: 'o', creationTime: '1970-01-01T00:00:00Z', statusPollIntervalNs: 1n, message: 'm' }
  const lock = { ...base, advanceNoticeDurationNs: 100n, ioDrainTimeoutNs: 10n, maxPermittedClockDriftNs: 5n }
  expect([isLocked(lock, 74n), isLocked(lock, 75n), isDrained(lock, 99n), isDrained(lock, 100n)]).toEqual([false, true, false, true])
})
