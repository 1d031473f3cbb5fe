import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formatTimeNs, parseTimeNs } from '#base/time.ts'
import { nextCronTime, parseCron } from '#snapshot/policy/cron.ts'
import { nextSnapshotTime } from '#snapshot/policy/schedule.ts'

const zone = process.env['TZ']
beforeAll(() => {
  process.env['TZ'] = 'UTC'
})
afterAll(() => {
  if (zone === undefined) delete process.env['TZ']
  else process.env['TZ'] = zone
})

const ns = (text: string) => parseTimeNs(`2020-${text.replace(' ', 'T')}Z`)
const next = (scheduling: Parameters<typeof nextSnapshotTime>[0], previous: string, now: string) => {
  const time = nextSnapshotTime(scheduling, ns(previous), ns(now))
  return time === undefined ? undefined : formatTimeNs(time)
}

describe('the next snapshot', () => {
  it.each([
    [60, '2020-01-01T11:51:00Z'],
    [1200, '2020-01-01T12:00:00Z'],
    [604800, '2020-01-06T00:00:00Z'],
    [90000, '2020-01-02T00:00:00Z'],
  ])('interval of %i s', (intervalSeconds, expected) =>
    expect(next({ intervalSeconds }, '01-01 11:50:00', '01-01 11:50:00')).toBe(expected),
  )
  it('an interval that is over is due now; manual and nothing are never', () => {
    expect(next({ intervalSeconds: 60 }, '01-01 11:50:00', '01-01 12:00:00.5')).toBe('2020-01-01T12:00:00.5Z')
    expect(next({ manual: true, intervalSeconds: 60 }, '01-01 11:50:00', '01-01 12:00:00')).toBeUndefined()
    expect(next({ runMissed: true }, '01-01 11:50:00', '01-01 12:00:00')).toBeUndefined()
  })
  it('times of day', () => {
    const timeOfDay = [
      { hour: 11, min: 54 },
      { hour: 11, min: 57 },
    ]
    expect(next({ timeOfDay }, '01-01 11:50:00', '01-01 11:57:00')).toBe('2020-01-01T11:57:00Z')
    expect(next({ timeOfDay }, '01-01 11:50:00', '01-01 11:57:00.000000001')).toBe('2020-01-02T11:54:00Z')
  })
  it('missed runs', () => {
    const scheduling = { timeOfDay: [{ hour: 11, min: 55 }], runMissed: true }
    expect(next(scheduling, '01-01 11:55:00', '01-02 11:55:30')).toBe('2020-01-02T11:55:30Z')
    expect(next(scheduling, '01-01 11:55:00', '01-03 11:30:00')).toBe('2020-01-03T11:55:00Z')
    expect(next({ ...scheduling, runMissed: false }, '01-01 11:55:00', '01-02 11:55:30')).toBe('2020-01-03T11:55:00Z')
    expect(next({ cron: ['bad', '0 3 * * *'], runMissed: true }, '01-01 03:00:00', '01-02 05:00:00')).toBe('2020-01-02T05:00:00Z')
  })
})

describe('cron lines', () => {
  const from = Date.UTC(2024, 0, 31, 12, 0, 0)
  it.each([
    ['0 5 * * *', '2024-02-01T05:00:00Z'],
    ['*/15 * * * *  # comment', '2024-01-31T12:15:00Z'],
    ['@hourly', '2024-01-31T13:00:00Z'],
    ['@yearly', '2025-01-01T00:00:00Z'],
    ['@weekly', '2024-02-04T00:00:00Z'],
    ['0 0 29 feb *', '2024-02-29T00:00:00Z'],
    ['0 0 L * *', '2024-02-29T00:00:00Z'],
    ['0 0 LW 3 *', '2024-03-29T00:00:00Z'],
    ['0 0 3W * *', '2024-02-02T00:00:00Z'],
    ['0 0 * * 5L', '2024-02-23T00:00:00Z'],
    ['0 0 * * 7', '2024-02-04T00:00:00Z'],
    ['0 0 * * fri-sun', '2024-02-02T00:00:00Z'],
    ['0 0 15 * monday', '2024-02-05T00:00:00Z'],
    ['5/20 8-10/2 * * *', '2024-02-01T08:05:00Z'],
    ['0 0 1 1 * 2030', '2030-01-01T00:00:00Z'],
    ['30 0 0 1 1 * 2031', '2031-01-01T00:00:30Z'],
  ])('%s', (line, expected) => {
    const cron = parseCron(line)
    expect(formatTimeNs(BigInt(nextCronTime(cron as NonNullable<typeof cron>, from) ?? 0) * 1_000_000n)).toBe(expected)
  })
  it.each([
    '',
    '# x',
    '* * * *',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * * 13 *',
    '* * * * 8',
    '*/0 * * * *',
    '*/60 * * * *',
    '5-3 * * * *',
    'x * * * *',
  ])('"%s" is none', (line) => expect(parseCron(line)).toBeUndefined())
  it('a date that never comes gives nothing', () => {
    const cron = parseCron('0 0 30 2 *')
    expect(nextCronTime(cron as NonNullable<typeof cron>, from)).toBeUndefined()
  })
})
