import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { UsageError } from '#base/errors.ts'
import { formatTimeNs } from '#base/time.ts'
import { chooseSnapshot, parseSnapshotTime } from '#snapshot/model/snapshot-time.ts'

const zone = process.env['TZ']
beforeAll(() => {
  process.env['TZ'] = 'UTC'
})
afterAll(() => {
  if (zone === undefined) delete process.env['TZ']
  else process.env['TZ'] = zone
})

const now = Date.UTC(2024, 2, 31, 12, 30)
const limit = (text: string) => {
  const choice = parseSnapshotTime(text, now)
  return choice.kind === 'before' ? formatTimeNs(choice.limitNs) : choice.kind
}

describe('--snapshot-time', () => {
  it.each([
    ['latest', 'latest'],
    ['oldest', 'oldest'],
    ['yesterday', '2024-03-31T00:00:00Z'],
    ['last-month', '2024-03-01T00:00:00Z'],
    ['last-year', '2024-01-01T00:00:00Z'],
    ['1d-ago', '2024-03-31T00:00:00Z'],
    ['1y-6mo-3d-ago', '2022-09-29T00:00:00Z'],
    ['1month-ago', '2024-03-03T00:00:00Z'],
    ['2years-ago', '2022-04-01T00:00:00Z'],
    ['2024-01-02 03:04:05 UTC', '2024-01-02T03:04:06Z'],
    ['2024-01-02 03:04:05.678 UTC', '2024-01-02T03:04:05.679Z'],
    ['2024-01-02 03:04:05 XYZ', '2024-01-02T03:04:06Z'],
    ['2024-1-2T03:04:05+01:00', '2024-01-02T02:04:06Z'],
    ['2024-01-02T03:04:05Z', '2024-01-02T03:04:06Z'],
    ['2024-01-02T03:04:05-0130', '2024-01-02T04:34:06Z'],
    ['2024-01-02 03:04:05', '2024-01-02T03:04:06Z'],
    ['2024-01-02T03:04+02', '2024-01-02T01:05:00Z'],
    ['2024-01-02 03:04', '2024-01-02T03:05:00Z'],
    ['2024-01-02T03', '2024-01-02T04:00:00Z'],
    ['2024-12-31', '2025-01-01T00:00:00Z'],
    ['2024-2', '2024-03-01T00:00:00Z'],
    ['2024', '2025-01-01T00:00:00Z'],
  ])('%s', (text, expected) => expect(limit(text)).toBe(expected))
  it.each(['', 'ago', 'tomorrow', '1000d-ago', '1d-1y-ago', '2024-13', '2024-02-30', '24', '2024-01-02T24:00', '2024-01-02 03:04Z'])(
    '"%s" is an error that names it',
    (text) => {
      expect(() => parseSnapshotTime(text, now)).toThrow(UsageError)
      expect(() => parseSnapshotTime(text, now)).toThrow(`Invalid time spec "${text}"`)
    },
  )
  it('chooses among candidates that are sorted newest first', () => {
    const list = [{ startNs: 30n }, { startNs: 20n }, { startNs: 10n }]
    expect(chooseSnapshot(list, { kind: 'latest' })?.startNs).toBe(30n)
    expect(chooseSnapshot(list, { kind: 'oldest' })?.startNs).toBe(10n)
    expect(chooseSnapshot(list, { kind: 'before', limitNs: 30n })?.startNs).toBe(20n)
    expect(chooseSnapshot(list, { kind: 'before', limitNs: 5n })).toBeUndefined()
  })
})
