import { describe, expect, test } from 'vitest'
import { UsageError } from '#base/errors.ts'
import { memoryStorage } from '#repo/blob/memory.ts'
import { ForwardingStorage } from '#repo/blob/wrap/forward.ts'
import { parseThrottling, Throttle, type ThrottlingLimits, type Timing, TokenBucket, throttled } from '#repo/blob/wrap/throttle.ts'
import { conformance } from '../../support/blob-conformance.ts'

const limits = (given: Partial<ThrottlingLimits>): ThrottlingLimits => ({
  readsPerSecond: 0,
  writesPerSecond: 0,
  listsPerSecond: 0,
  maxUploadSpeedBytesPerSecond: 0,
  maxDownloadSpeedBytesPerSecond: 0,
  concurrentReads: 0,
  concurrentWrites: 0,
  ...given,
})

class FakeTime implements Timing {
  ms = 0
  readonly sleeps: number[] = []
  readonly nowMs = (): number => this.ms
  readonly sleep = async (ms: number): Promise<void> => {
    this.sleeps.push(ms)
    this.ms += ms
  }
}

conformance('throttled', async () =>
  throttled(limits({ readsPerSecond: 1000, concurrentWrites: 2, concurrentReads: 2 }), new FakeTime())(memoryStorage()),
)

describe('a token bucket', () => {
  test('starts a tenth full and makes debtors wait until it is even', async () => {
    const time = new FakeTime()
    const bucket = new TokenBucket(1000, time)
    await bucket.take(10_000)
    expect(time.sleeps).toEqual([4000])
    await bucket.take(1000)
    expect(time.sleeps).toEqual([4000, 1000])
  })

  test('never holds more than a minute’s worth', async () => {
    const time = new FakeTime()
    const bucket = new TokenBucket(10, time)
    await bucket.take(0)
    time.ms += 3_600_000
    await bucket.take(600)
    expect(time.sleeps).toEqual([])
    await bucket.take(10)
    expect(time.sleeps).toEqual([1000])
  })
})

describe('a throttled storage', () => {
  test('counts what was read, not what was feared', async () => {
    const time = new FakeTime()
    const storage = throttled(limits({ maxDownloadSpeedBytesPerSecond: 4_000_000 }), time)(memoryStorage())
    await storage.put('a', [Buffer.alloc(1_000_000)])
    for (let i = 0; i < 4; i++) await storage.get('a')
    expect(time.sleeps).toEqual([])
    await storage.get('a', { offset: 0, length: 1_000_000 })
    await expect(storage.get('absent')).rejects.toThrow()
    expect(time.sleeps).toEqual([250])
  })

  test('does not wait long for a small blob of unknown size at a low rate', async () => {
    const time = new FakeTime()
    const storage = throttled(limits({ maxDownloadSpeedBytesPerSecond: 1000 }), time)(memoryStorage())
    await storage.put('a', [Buffer.alloc(100)])
    for (let i = 0; i < 10; i++) await storage.get('a')
    expect(time.ms).toBeLessThan(10_000)
  })

  test('keeps the number of writes at once', async () => {
    let active = 0
    let most = 0
    class Slow extends ForwardingStorage {
      override async delete(): Promise<void> {
        most = Math.max(most, ++active)
        await new Promise((resolve) => setImmediate(resolve))
        active--
      }
    }
    const storage = throttled(limits({ concurrentWrites: 3 }), new FakeTime())(new Slow(memoryStorage()))
    await Promise.all(Array.from({ length: 20 }, (_, i) => storage.delete(`${i}`)))
    expect(most).toBe(3)
  })
})

test('limits are read from JSON with other members, and none means no throttling', () => {
  expect(parseThrottling({ path: '/x', maxUploadSpeedBytesPerSecond: 1.5 })).toEqual(limits({ maxUploadSpeedBytesPerSecond: 1.5 }))
  expect(parseThrottling({})).toBeUndefined()
  expect(parseThrottling({ path: '/x', readsPerSecond: 0 })).toBeUndefined()
  expect(() => parseThrottling({ listsPerSecond: -1 })).toThrow(UsageError)
})

describe('limits that change', () => {
  const gate = () => {
    let open: () => void = () => undefined
    const sleeping: number[] = []
    const sleep = (ms: number) => {
      sleeping.push(ms)
      return new Promise<void>((resolve) => {
        open = resolve
      })
    }
    const time: Timing = { nowMs: () => 0, sleep }
    return { time, sleeping, open: () => open() }
  }

  test('let go who waits for the old ones', async () => {
    const { time, sleeping } = gate()
    const throttle = new Throttle(limits({ maxUploadSpeedBytesPerSecond: 1 }), time)
    const storage = throttled(throttle)(memoryStorage())
    const put = storage.put('a', [Buffer.alloc(1000)])
    await new Promise((resolve) => setImmediate(resolve))
    expect(sleeping).toHaveLength(1)
    throttle.update(limits({}))
    await put
    await storage.put('b', [Buffer.alloc(1000)])
    expect(sleeping).toHaveLength(1)
  })

  test('that stay the same keep their debts', async () => {
    const { time, sleeping } = gate()
    const throttle = new Throttle(limits({ writesPerSecond: 1 }), time)
    throttle.update(limits({ writesPerSecond: 1, readsPerSecond: 5 }))
    const storage = throttled(throttle)(memoryStorage())
    for (let i = 0; i < 6; i++) await storage.put(`a${i}`, [])
    storage.put('b', []).catch(() => undefined)
    await new Promise((resolve) => setImmediate(resolve))
    expect(sleeping).toHaveLength(1)
  })

  test('of calls at once hold for new calls, and old ones give back their slots', async () => {
    const throttle = new Throttle(limits({ concurrentWrites: 1 }))
    let running = 0
    let most = 0
    class Counting extends ForwardingStorage {
      override async delete(): Promise<void> {
        most = Math.max(most, ++running)
        await new Promise((resolve) => setTimeout(resolve, 5))
        running--
      }
    }
    const storage = throttled(throttle)(new Counting(memoryStorage()))
    const first = [1, 2].map(() => storage.delete('a'))
    throttle.update(limits({ concurrentWrites: 3 }))
    await Promise.all([...first, ...[1, 2, 3, 4, 5].map(() => storage.delete('a'))])
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(4)
  })
})
