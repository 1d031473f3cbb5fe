import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseTimeNs } from '#base/time.ts'
import { decodeSnapshot } from '#snapshot/model/manifest-json.ts'
import { groupBySource } from '#snapshot/model/snapshots.ts'
import { decodePolicy } from '#snapshot/policy/policy-json.ts'
import { applyRetention, compactReasons, type RetentionInput } from '#snapshot/policy/retention.ts'
import { sharedPath } from '../../support/shared.ts'

const zone = process.env['TZ']
beforeAll(() => {
  process.env['TZ'] = 'UTC'
})
afterAll(() => {
  if (zone === undefined) delete process.env['TZ']
  else process.env['TZ'] = zone
})

const at = (time: string, incomplete?: string): RetentionInput => {
  const startNs = parseTimeNs(`${time.replace(' ', 'T')}:00Z`)
  return { id: time, startNs, endNs: startNs, pins: [], ...(incomplete ? { incomplete } : {}) }
}
const reasons = (list: readonly RetentionInput[], policy: Parameters<typeof applyRetention>[1]) =>
  applyRetention(list.toReversed(), policy).map((r) => [r.snapshot.id, r.reasons.join(' ')])

describe('retention', () => {
  it('months and weeks share their period IDs (specification 03, 7.7)', () => {
    const list = ['2024-02-06 10:00', '2024-02-06 09:00', '2024-02-05 10:00', '2024-01-10 10:00', '2024-01-03 10:00'].map((t) => at(t))
    const policy = { keepLatest: 2, keepHourly: 0, keepDaily: 2, keepWeekly: 4, keepMonthly: 24, keepAnnual: 3 }
    expect(reasons(list, policy)).toEqual([
      ['2024-02-06 10:00', 'latest-1 daily-1 weekly-1 monthly-1 annual-1'],
      ['2024-02-06 09:00', 'latest-2'],
      ['2024-02-05 10:00', 'daily-2'],
      ['2024-01-10 10:00', 'monthly-2'],
      ['2024-01-03 10:00', ''],
    ])
  })
  it('incomplete ones are kept for a while (specification 07, 7.3.5)', () => {
    const list = [
      at('2024-03-01 12:00', 'canceled'),
      at('2024-03-01 11:45'),
      at('2024-03-01 11:15'),
      at('2024-03-01 10:00'),
      at('2024-02-29 12:00', 'checkpoint'),
      at('2024-02-29 10:00'),
      at('2024-01-01 00:00'),
    ]
    const policy = { keepLatest: 2, keepHourly: 2, keepDaily: 2, keepWeekly: 1, keepMonthly: 2, keepAnnual: 1 }
    expect(reasons(list, policy).map((r) => r[1])).toEqual([
      'incomplete',
      'latest-1 hourly-1 daily-1 weekly-1 monthly-1 annual-1',
      'latest-2',
      'hourly-2',
      '',
      'daily-2 monthly-2',
      '',
    ])
  })
  it('incomplete ones: less than four hours old, or among the first three', () => {
    const list = ['10:00', '07:00', '06:30', '06:15', '05:59', '05:00'].map((t) => at(`2024-03-01 ${t}`, 'canceled'))
    expect(reasons(list, {}).map((r) => r[1])).toEqual(['incomplete', 'incomplete', 'incomplete', 'incomplete', '', ''])
    expect(reasons([], {})).toEqual([])
  })
  it('without limits everything is kept', () => {
    const list = [at('2024-03-01 10:00'), at('2020-03-01 10:00')]
    expect(reasons(list, {}).map((r) => r[1])).toEqual(['latest-1', 'latest-2'])
    expect(reasons(list, { keepLatest: 0, keepAnnual: 0 }).map((r) => r[1])).toEqual(['latest-1', 'latest-2'])
  })
  it('a pin keeps a snapshot without a reason', () => {
    const old = { ...at('2020-03-01 10:00'), pins: ['p'] }
    const result = applyRetention([old, at('2024-03-01 10:00'), at('2019-01-01 10:00')], { keepLatest: 1 })
    expect(result.map((r) => r.isExpired)).toEqual([false, false, true])
  })
  it('a month that is too short runs over into the next', () => {
    const list = [at('2023-03-31 10:00'), at('2023-03-03 10:00'), at('2023-03-03 09:59'), at('2023-02-28 10:00')]
    expect(reasons(list, { keepMonthly: 1, keepLatest: 0 }).map((r) => r[1])).toEqual(['monthly-1', '', '', ''])
    expect(reasons([list[0], list[3]] as RetentionInput[], { keepMonthly: 2 }).map((r) => r[1])).toEqual(['monthly-1', 'monthly-2'])
    expect(reasons([list[0], at('2023-01-30 10:00')] as RetentionInput[], { keepMonthly: 2 }).map((r) => r[1])).toEqual(['monthly-1', ''])
  })
  it.each(['retention', 'deleted-snapshots', 'epochs', 'history', 'sources', 'errors', 'incomplete-checkpoint'])(
    'fixture %s: the reasons that Kopia lists',
    (name) => {
      const facts = JSON.parse(readFileSync(sharedPath('fixtures', `${name}.json`), 'utf8')) as {
        snapshots: ({ id: string; retentionReason: string[] | null } & Record<string, unknown>)[]
        effectivePolicies: Record<string, unknown>
      }
      const listed = new Map(facts.snapshots.map((s) => [s.id, s.retentionReason ?? []]))
      const groups = groupBySource(facts.snapshots.map((s) => decodeSnapshot(s.id, s)))
      let checked = 0
      for (const { source, snapshots } of groups) {
        const effective = facts.effectivePolicies[`${source.user}@${source.host}:${source.path}`]
        if (effective === undefined) continue
        for (const r of applyRetention(snapshots, decodePolicy(effective).retention)) {
          expect(r.reasons, r.snapshot.id).toEqual(listed.get(r.snapshot.id))
          checked++
        }
      }
      expect(checked).toBeGreaterThan(0)
    },
  )
  it('shows runs in one', () => {
    expect(compactReasons(['latest-1', 'latest-2', 'latest-5', 'incomplete', 'daily-1'])).toEqual([
      'incomplete',
      'latest-1..2',
      'latest-5',
      'daily-1',
    ])
  })
})
