import { describe, expect, test } from 'vitest'
import { UsageError } from '#base/errors.ts'
import { memoryStorage } from '#repo/blob/memory.ts'
import { ForwardingStorage } from '#repo/blob/wrap/forward.ts'
import { parseThrottling, type ThrottlingLimits, type Timing, TokenBucket, throttled } from '#repo/blob/wrap/throttle.ts'
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
