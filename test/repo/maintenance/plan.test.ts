import { describe, expect, test } from 'vitest'
import { parseTimeNs } from '#base/time.ts'
import { type PlanRequest, planCycle, safeDropTimeMs } from '#repo/maintenance/plan.ts'
import { fullSafety, noSafety } from '#repo/maintenance/safety.ts'
import type { MaintenanceSchedule, TaskRun } from '#repo/maintenance/schedule.ts'

const at = (time: string): bigint => parseTimeNs(`2026-01-01T${time}:00Z`)
const ms = (time: string): number => Number(at(time) / 1_000_000n)
const run = (start: string, end = start, success = true): TaskRun => ({ startNs: at(start), endNs: at(end), success, error: '', extra: [] })
const schedule = (runs: Record<string, TaskRun[]>): MaintenanceSchedule => ({ nextFullNs: 0n, nextQuickNs: 0n, runs })
const tasks = (change: Partial<PlanRequest>): string[] =>
  planCycle({
    mode: 'quick',
    usesEpochs: false,
    extendObjectLocks: false,
    schedule: schedule({}),
    safety: fullSafety,
    nowMs: ms('12:00'),
    ...change,
  }).map(({ task }) => task)

const epochTasks = [
  'compact-single-epoch',
  'advance-epoch',
  'generate-epoch-range-index',
  'cleanup-epoch-markers',
  'delete-superseded-epoch-indexes',
]

describe('a quick cycle', () => {
  test.each<[string, Record<string, TaskRun[]>, string, string[]]>([
    ['rewrites first and deletes nothing', {}, '12:00', ['quick-rewrite-contents']],
    ['waits an hour after a rewrite', { 'quick-rewrite-contents': [run('11:30')] }, '12:00', []],
    ['deletes what a quick rewrite has emptied', { 'quick-rewrite-contents': [run('10:30')] }, '12:00', ['quick-delete-blobs']],
    ['deletes what a full rewrite has emptied', { 'full-rewrite-contents': [run('10:30')] }, '12:00', ['full-delete-blobs']],
    [
      'rewrites again once that was deleted',
      { 'quick-rewrite-contents': [run('09:00')], 'quick-delete-blobs': [run('10:30')] },
      '12:00',
      ['quick-rewrite-contents'],
    ],
    [
      'counts on no run that failed',
      { 'quick-rewrite-contents': [run('09:00')], 'quick-delete-blobs': [run('10:30', '10:30', false)] },
      '12:00',
      ['quick-delete-blobs'],
    ],
  ])('without epochs %s', (_, runs, now, expected) => {
    expect(tasks({ schedule: schedule(runs), nowMs: ms(now) })).toEqual([...expected, 'index-compaction', 'cleanup-logs'])
  })

  test('with epochs only looks after those', () => {
    expect(tasks({ usesEpochs: true })).toEqual(['compact-single-epoch', 'advance-epoch'])
  })
})

describe('a full cycle', () => {
  test('without waiting periods does everything at once', () => {
    expect(tasks({ mode: 'full', usesEpochs: true, safety: noSafety, extendObjectLocks: true })).toEqual([
      'full-rewrite-contents',
      'full-drop-deleted-content',
      'full-delete-blobs',
      'extend-blob-retention-time',
      ...epochTasks,
      'cleanup-logs',
    ])
    expect(tasks({ mode: 'full', safety: noSafety })).not.toContain('advance-epoch')
  })

  test('never deletes in the cycle that rewrites', () => {
    expect(tasks({ mode: 'full' })).toEqual(['full-rewrite-contents', 'cleanup-logs'])
    expect(tasks({ mode: 'full', schedule: schedule({ 'full-rewrite-contents': [run('10:00')] }) })).toEqual([
      'full-delete-blobs',
      'cleanup-logs',
    ])
  })
})

describe('the time before which deletions may be dropped', () => {
  const collections = (...runs: TaskRun[]) => safeDropTimeMs({ schedule: schedule({ 'snapshot-gc': runs }), safety: fullSafety, nowMs: 0 })

  test('lies an hour before a garbage collection that ended more than four hours before the latest (examples of spec 07, 7.6.7)', () => {
    expect(collections(run('09:00', '09:15'), run('07:00', '07:15'))).toBeUndefined()
    expect(collections(run('13:00', '13:15'), run('07:00', '07:15'))).toBe(ms('06:00'))
    expect(collections(run('11:15', '11:20'), run('07:00', '07:15'))).toBeUndefined()
  })

  test('ignores collections that failed, and their order in the list', () => {
    expect(collections(run('13:00', '13:15'), run('07:00', '07:15', false))).toBeUndefined()
    expect(collections(run('01:00', '01:10'), run('13:00', '13:15'), run('07:00', '07:15'))).toBe(ms('06:00'))
  })

  test('is now without waiting periods', () => {
    expect(safeDropTimeMs({ schedule: schedule({}), safety: noSafety, nowMs: 77 })).toBe(77)
  })
})
