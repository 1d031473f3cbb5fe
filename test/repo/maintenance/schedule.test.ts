import { describe, expect, test } from 'vitest'
import { goJson } from '#base/go-json.ts'
import { parseTimeNs } from '#base/time.ts'
import { hkdf } from '#repo/crypto/keys.ts'
import { emptySchedule, openSchedule, scheduleJson, sealSchedule, withRun } from '#repo/maintenance/schedule.ts'

const range = (first: number, count: number): Buffer => Buffer.from(Array.from({ length: count }, (_, i) => first + i))
const key = hkdf(range(0, 32), range(0x40, 32), 'maintenance schedule', 32)
const vector = Buffer.from(
  'a0a1a2a3a4a5a6a7a8a9aaab3f05b6cafae5b13ac096ffd24b3185167431c4d01ce7a3a0d60ff3e40fbb607aed8ce91ccef1' +
    '05c0aaac0666d86535f6c28a6fe1383ca6d76eca5f2291c48ea10d4d18131b186669a2670052ad716a4d2edd537eb8f934fc' +
    'fe18349476d07b9e8241747940df3dd9882a4638bcf5cc2866f3b5a1aeadab2c',
  'hex',
)
const schedule = { nextFullNs: parseTimeNs('2026-01-02T00:00:00Z'), nextQuickNs: parseTimeNs('2026-01-01T01:00:00Z'), runs: {} }

describe('the maintenance schedule', () => {
  test('is sealed and opened as the specification computed it', () => {
    expect(sealSchedule(schedule, key, range(0xa0, 12)).equals(vector)).toBe(true)
    expect(openSchedule(vector, key)).toEqual(schedule)
  })

  test('says the year 1 for times that were never set', () => {
    expect(goJson(scheduleJson(emptySchedule))).toBe(
      '{"nextFullMaintenance":"0001-01-01T00:00:00Z","nextQuickMaintenance":"0001-01-01T00:00:00Z","runs":null}',
    )
  })

  test('keeps fifty runs of a task, newest first, and statistics of unknown kinds', () => {
    let grown = { ...schedule } as Parameters<typeof withRun>[0]
    for (let i = 0; i < 60; i++)
      grown = withRun(grown, 'unheard-of', {
        startNs: BigInt(i),
        endNs: BigInt(i),
        success: true,
        error: '',
        extra: [{ kind: 'new', data: null }],
      })
    const again = openSchedule(sealSchedule(grown, key, range(0, 12)), key)
    expect(again).toEqual(grown)
    expect(again.runs['unheard-of']).toHaveLength(50)
    expect(again.runs['unheard-of']?.[0]?.startNs).toBe(59n)
  })

  test.each([
    ['empty', Buffer.alloc(0)],
    ['cut', vector.subarray(0, 20)],
    ['changed', Buffer.concat([vector.subarray(0, 40), Buffer.from([1]), vector.subarray(41)])],
  ])('refuses a blob that is %s', (_, bytes) => {
    expect(() => openSchedule(bytes, key)).toThrow(/kopia\.maintenance cannot be read/)
  })
})
