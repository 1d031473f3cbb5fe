import { expect, test } from 'vitest'
import { systemClock } from '#base/clock.ts'

test('the fine clock never runs backwards within a run of calls', () => {
  let last = systemClock.nowNs()
  for (let i = 0; i < 200_000; i++) {
    const now = systemClock.nowNs()
    if (now < last) throw new Error(`${now} came after ${last}`)
    last = now
  }
})

test('the fine clock agrees with the wall clock to a few milliseconds', () => {
  const before = Date.now()
  const nowMs = Number(systemClock.nowNs() / 1_000_000n)
  const after = Date.now()
  expect(nowMs).toBeGreaterThanOrEqual(before - 3)
  expect(nowMs).toBeLessThanOrEqual(after + 3)
})
