import { openBlobConfig, sealBlobConfig } from '#repo/format/blob-config.ts'
import { embedFormatBlob, recoverFormatBlob } from '#repo/format/embedded-copy.ts'
import { CorruptFormatError, InvalidFormatError, RequiredFeatureError } from '#repo/format/errors.ts'
import { checkRequiredFeatures } from '#repo/format/features.ts'
import { buildNewFormat } from '#repo/format/new-format.ts'
import { isDrained, isLocked } from '#repo/format/upgrade-lock.ts'
import { expect, it } from 'vitest'
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

it('locks a drain time before the upgrade', () => {
  const base = { ownerId: 'o', creationTime: '1970-01-01T00:00:00Z', statusPollIntervalNs: 1n, message: 'm' }
  const lock = { ...base, advanceNoticeDurationNs: 100n, ioDrainTimeoutNs: 10n, maxPermittedClockDriftNs: 5n }
  expect([isLocked(lock, 74n), isLocked(lock, 75n), isDrained(lock, 99n), isDrained(lock, 100n)]).toEqual([false, true, false, true])
})
