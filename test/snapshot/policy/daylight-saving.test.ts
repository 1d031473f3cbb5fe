import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { formatTimeNs, parseTimeNs } from '#base/time.ts'
import type { RetentionPolicy, SchedulingPolicy } from '#snapshot/policy/policy.ts'
import { applyRetention, type RetentionInput } from '#snapshot/policy/retention.ts'
import { nextSnapshotTime } from '#snapshot/policy/schedule.ts'

/** Tables of specification 07, 7.3.4 and 7.3.5, in zones whose clocks are put forward and back. */
const zone = process.env['TZ']
beforeEach(() => {
  process.env['TZ'] = 'UTC'
})
afterAll(() => {
  if (zone === undefined) delete process.env['TZ']
  else process.env['TZ'] = zone
})

const next = (tz: string, scheduling: SchedulingPolicy, previous: string, now: string): string | undefined => {
  process.env['TZ'] = tz
  const time = nextSnapshotTime(scheduling, parseTimeNs(previous), parseTimeNs(now))
  return time === undefined ? undefined : formatTimeNs(time)
}

const at = (hour: number, min = 0): SchedulingPolicy => ({ timeOfDay: [{ hour, min }] })

describe('times of day are those of the local clock', () => {
  it.each([
    // [zone, hour, now, next]
    ['Europe/Berlin', 12, '2024-01-10T10:59:00Z', '2024-01-10T11:00:00Z'],
    ['Europe/Berlin', 12, '2024-07-10T09:59:00Z', '2024-07-10T10:00:00Z'],
    ['America/New_York', 12, '2024-07-10T15:00:00Z', '2024-07-10T16:00:00Z'],
    ['Asia/Kathmandu', 6, '2024-07-10T00:00:00Z', '2024-07-10T00:15:00Z'],
    ['Pacific/Apia', 1, '2024-07-10T10:00:00Z', '2024-07-10T12:00:00Z'],
    // Today's time is over: 24 hours are added, whatever the clock does in the night.
    ['Europe/Berlin', 12, '2024-01-10T11:00:01Z', '2024-01-11T11:00:00Z'],
    ['Europe/Berlin', 12, '2024-03-30T11:00:01Z', '2024-03-31T11:00:00Z'],
    ['Europe/Berlin', 12, '2024-10-26T10:00:01Z', '2024-10-27T10:00:00Z'],
    ['America/New_York', 12, '2024-03-09T17:00:01Z', '2024-03-10T17:00:00Z'],
    ['Australia/Lord_Howe', 12, '2024-04-06T01:00:01Z', '2024-04-07T01:00:00Z'],
    // On the day itself the clock has changed already.
    ['Europe/Berlin', 12, '2024-03-31T08:00:00Z', '2024-03-31T10:00:00Z'],
    ['Europe/Berlin', 12, '2024-10-27T08:00:00Z', '2024-10-27T11:00:00Z'],
    // 02:30 is left out on the one day and comes twice on the other.
    ['Europe/Berlin', 2.5, '2024-03-30T23:30:00Z', '2024-03-31T01:30:00Z'],
    ['Europe/Berlin', 2.5, '2024-10-26T22:30:00Z', '2024-10-27T00:30:00Z'],
    // Exactly now is still now.
    ['Europe/Berlin', 12, '2024-03-31T10:00:00Z', '2024-03-31T10:00:00Z'],
  ])('%s, %d h, at %s', (tz, hour, now, expected) => {
    const scheduling = at(Math.floor(hour), (hour % 1) * 60)
    expect(next(tz, scheduling, '2024-01-01T00:00:00Z', now)).toBe(expected)
  })

  it('the earliest of several wins, and an interval that is due sooner', () => {
    const timeOfDay = [
      { hour: 1, min: 30 },
      { hour: 3, min: 30 },
    ]
    expect(next('Europe/Berlin', { timeOfDay }, '2024-03-30T12:00:00Z', '2024-03-31T00:45:00Z')).toBe('2024-03-31T01:30:00Z')
    const both = { timeOfDay, intervalSeconds: 3600 }
    expect(next('Europe/Berlin', both, '2024-03-31T00:10:00Z', '2024-03-31T00:45:00Z')).toBe('2024-03-31T01:00:00Z')
  })
})

describe('intervals know no zone', () => {
  it.each(['UTC', 'Europe/Berlin', 'America/New_York'])('%s', (tz) => {
    const daily = { intervalSeconds: 86_400 }
    expect(next(tz, daily, '2024-03-30T18:00:00Z', '2024-03-30T18:00:00Z')).toBe('2024-03-31T00:00:00Z')
    expect(next(tz, daily, '2024-10-26T23:59:59Z', '2024-10-27T00:00:00Z')).toBe('2024-10-27T00:00:00Z')
    expect(next(tz, { intervalSeconds: 604_800 }, '2024-03-30T18:00:00Z', '2024-03-30T18:00:00Z')).toBe('2024-04-01T00:00:00Z')
  })
})

describe('a run that was missed is made up for', () => {
  it.each([
    // [zone, hour, previous, now, next]
    // In spring 24 hours later is one hour too late: it counts as missed only after that.
    ['Europe/Berlin', 12, '2024-03-30T11:00:00Z', '2024-03-31T10:00:30Z', '2024-04-01T10:00:00Z'],
    ['Europe/Berlin', 12, '2024-03-30T11:00:00Z', '2024-03-31T11:00:30Z', '2024-03-31T11:00:30Z'],
    ['Europe/Berlin', 12, '2024-03-31T10:00:00Z', '2024-03-31T10:00:30Z', '2024-04-01T10:00:00Z'],
    ['Europe/Berlin', 12, '2024-10-25T10:00:00Z', '2024-10-27T10:59:00Z', '2024-10-27T11:00:00Z'],
    ['UTC', 12, '2024-01-01T12:00:00Z', '2024-01-03T11:29:59Z', '2024-01-03T11:29:59Z'],
    ['UTC', 12, '2024-01-01T12:00:00Z', '2024-01-03T11:30:00Z', '2024-01-03T12:00:00Z'],
  ])('%s, %d h, last one %s, at %s', (tz, hour, previous, now, expected) => {
    expect(next(tz, { ...at(hour), runMissed: true }, previous, now)).toBe(expected)
  })
})

describe('cron lines are of the local clock', () => {
  it.each([
    ['Europe/Berlin', '0 12 * * *', '2024-03-30T12:00:00Z', '2024-03-31T10:00:00Z'],
    ['Europe/Berlin', '0 12 * * *', '2024-10-26T12:00:00Z', '2024-10-27T11:00:00Z'],
    ['America/New_York', '0 0 1 * *', '2024-03-05T00:00:00Z', '2024-04-01T04:00:00Z'],
    ['America/New_York', '30 23 L * *', '2024-02-05T00:00:00Z', '2024-03-01T04:30:00Z'],
    ['Asia/Tokyo', '0 9 * * mon', '2024-07-10T00:00:00Z', '2024-07-15T00:00:00Z'],
  ])('%s %s', (tz, cron, now, expected) => {
    expect(next(tz, { cron: [cron] }, '2024-01-01T00:00:00Z', now)).toBe(expected)
  })

  it('every hour comes every hour, also in the nights when the clock is changed', () => {
    for (const day of ['2024-03-30', '2024-10-26']) {
      let time = parseTimeNs(`${day}T20:00:00Z`)
      for (let i = 1; i <= 10; i++) {
        const found = next('Europe/Berlin', { cron: ['0 * * * *'] }, '2024-01-01T00:00:00Z', formatTimeNs(time))
        time += 3_600_000_000_000n
        expect(found).toBe(formatTimeNs(time))
      }
    }
  })

  it('a time that the night leaves out neither stops nor repeats the schedule', () => {
    let time = parseTimeNs('2024-03-29T12:00:00Z')
    const days: string[] = []
    for (let i = 0; i < 4; i++) {
      const found = next('Europe/Berlin', { cron: ['30 2 * * *'] }, '2024-01-01T00:00:00Z', formatTimeNs(time)) as string
      expect(parseTimeNs(found) > time).toBe(true)
      time = parseTimeNs(found)
      days.push(found.slice(0, 10))
    }
    expect(new Set(days).size).toBe(4)
    expect(days[0]).toBe('2024-03-30')
  })
})

const input = (text: string): RetentionInput => ({ id: text, startNs: parseTimeNs(text), endNs: parseTimeNs(text), pins: [] })
const kept = (tz: string, policy: RetentionPolicy, times: readonly string[]): string[] => {
  process.env['TZ'] = tz
  return applyRetention(times.map(input), policy).map((r) => `${r.snapshot.id} ${r.reasons.join(' ')}`.trimEnd())
}

describe('retention', () => {
  it('counts days, months and years in UTC, wherever the clock stands', () => {
    const times = ['2024-03-31T22:30:00Z', '2024-03-31T21:30:00Z', '2024-03-30T23:30:00Z']
    for (const tz of ['UTC', 'Europe/Berlin', 'America/New_York', 'Pacific/Auckland'])
      expect(kept(tz, { keepDaily: 5 }, times)).toEqual([
        '2024-03-31T22:30:00Z daily-1',
        '2024-03-31T21:30:00Z',
        '2024-03-30T23:30:00Z daily-2',
      ])
    expect(kept('Pacific/Auckland', { keepAnnual: 5 }, ['2024-01-01T00:30:00Z', '2023-12-31T12:30:00Z'])).toEqual([
      '2024-01-01T00:30:00Z annual-1',
      '2023-12-31T12:30:00Z annual-2',
    ])
  })

  it('counts weeks by the local calendar', () => {
    // Sunday night in UTC is Monday in Auckland.
    const times = ['2024-07-14T13:00:00Z', '2024-07-14T11:00:00Z']
    expect(kept('UTC', { keepWeekly: 5 }, times)).toEqual(['2024-07-14T13:00:00Z weekly-1', '2024-07-14T11:00:00Z'])
    expect(kept('Pacific/Auckland', { keepWeekly: 5 }, times)).toEqual(['2024-07-14T13:00:00Z weekly-1', '2024-07-14T11:00:00Z weekly-2'])
  })

  it('puts the limit of days on the same local time, an hour off in UTC after a change of the clock', () => {
    // Newest at 12:00 in summer time; two days before is 12:00 in winter time, 11:00 in UTC.
    const newest = '2024-04-01T10:00:00Z'
    const times = [newest, '2024-03-30T11:00:00Z', '2024-03-30T10:59:59Z']
    const policy = { keepDaily: 2, keepLatest: 0 }
    expect(kept('Europe/Berlin', policy, times)).toEqual([`${newest} daily-1`, '2024-03-30T11:00:00Z daily-2', '2024-03-30T10:59:59Z'])
    expect(kept('Europe/Berlin', policy, [newest, '2024-03-30T10:59:59Z'])).toEqual([`${newest} daily-1`, '2024-03-30T10:59:59Z'])
    expect(kept('UTC', policy, [newest, '2024-03-30T10:59:59Z'])).toEqual([`${newest} daily-1`, '2024-03-30T10:59:59Z daily-2'])
  })

  it('the limit of hours is of hours that pass', () => {
    const times = ['2024-03-31T03:00:00Z', '2024-03-31T02:00:00Z', '2024-03-31T01:00:00Z', '2024-03-31T00:00:00Z']
    for (const tz of ['UTC', 'Europe/Berlin'])
      expect(kept(tz, { keepHourly: 3 }, times)).toEqual(times.map((t, i) => (i < 3 ? `${t} hourly-${i + 1}` : t)))
  })

  it('months and years that are too short run over', () => {
    expect(
      kept('UTC', { keepMonthly: 1, keepLatest: 0 }, ['2023-03-31T00:00:00Z', '2023-03-03T00:00:00Z', '2023-03-02T00:00:00Z']),
    ).toEqual(['2023-03-31T00:00:00Z monthly-1', '2023-03-03T00:00:00Z', '2023-03-02T00:00:00Z'])
    expect(kept('UTC', { keepMonthly: 2 }, ['2024-05-31T00:00:00Z', '2024-03-31T00:00:00Z', '2024-03-30T23:59:59Z'])).toEqual([
      '2024-05-31T00:00:00Z monthly-1',
      '2024-03-31T00:00:00Z monthly-2',
      '2024-03-30T23:59:59Z',
    ])
    expect(kept('UTC', { keepAnnual: 1 }, ['2024-02-29T00:00:00Z', '2023-03-01T00:00:00Z', '2023-02-28T00:00:00Z'])).toEqual([
      '2024-02-29T00:00:00Z annual-1',
      '2023-03-01T00:00:00Z',
      '2023-02-28T00:00:00Z',
    ])
    expect(
      kept('UTC', { keepAnnual: 2 }, ['2024-02-29T00:00:00Z', '2023-03-01T00:00:00Z', '2022-03-01T00:00:00Z', '2022-02-28T00:00:00Z']),
    ).toEqual(['2024-02-29T00:00:00Z annual-1', '2023-03-01T00:00:00Z annual-2', '2022-03-01T00:00:00Z', '2022-02-28T00:00:00Z'])
  })
})
