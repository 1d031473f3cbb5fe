import { describe, expect, test } from 'vitest'
import { CancelledError } from '#base/errors.ts'
import { allIds } from '#repo/content/content-info.ts'
import { SlowIndexWriteError } from '#repo/content/epoch/errors.ts'
import { EpochManager, isAdvanceDue } from '#repo/content/epoch/manager.ts'
import { maxRefreshAttempts } from '#repo/content/epoch/refresh.ts'
import {
  dayMs,
  defaultEpochs,
  hourMs,
  idOf,
  loadSet,
  minuteMs,
  putNames,
  shardOf,
  type TestContext,
  testContext,
  watched,
} from '../index-blobs/context.ts'

const names = (context: TestContext, prefix = 'x'): string[] => [...context.blobs.keys()].filter((id) => id.startsWith(prefix)).sort()
const noSleep = () => Promise.resolve()

async function rowsOf(manager: EpochManager): Promise<string[]> {
  const set = await loadSet(manager.context, await manager.activeSet())
  return [...set.iterate(allIds, true)].map((r) => r.id)
}

describe('the state', () => {
  test('is used until it expires or is invalidated', async () => {
    let lists = 0
    const plain = testContext()
    const manager = new EpochManager({ ...plain, storage: watched(plain.storage, (call) => void (call === 'list' && lists++)) })
    const [a, b] = await Promise.all([manager.state(), manager.state()])
    expect([a === b, lists]).toEqual([true, 6])
    plain.clock.ms += 20 * minuteMs - 1
    expect(await manager.state()).toBe(a)
    plain.clock.ms += 1
    expect(await manager.state()).not.toBe(a)
    expect(lists).toBe(12)
    manager.invalidate()
    await manager.state()
    expect(lists).toBe(18)
  })

  test('a refresh that began before an invalidation does not count after it', async () => {
    const plain = testContext()
    let open = () => {}
    const gate = new Promise<void>((resolve) => (open = resolve))
    let first = true
    const storage = watched(plain.storage, async (call, id) => {
      if (call !== 'list' || id !== 'xe' || !first) return
      first = false
      await gate
    })
    const manager = new EpochManager({ ...plain, storage })
    const old = manager.state()
    manager.invalidate()
    const fresh = await manager.state()
    open()
    await old
    expect(await manager.state()).toBe(fresh)
  })

  test('a listing that outlives the state is tried again', async () => {
    const plain = testContext()
    let slow = 2
    const storage = watched(plain.storage, (call, id) => {
      if (call === 'list' && id === 'xe' && slow-- > 0) plain.clock.ms += 21 * minuteMs
    })
    const pauses: number[] = []
    const manager = new EpochManager({ ...plain, storage }, async (ms) => void pauses.push(ms))
    expect((await manager.state()).writeEpoch).toBe(0)
    expect(pauses.map(Math.round)).toEqual([100, 150])
  })

  test('errors of the storage are thrown after a bounded number of attempts, with growing pauses', async () => {
    const plain = testContext()
    const storage = watched(plain.storage, () => Promise.reject(new Error('no route')))
    const pauses: number[] = []
    const manager = new EpochManager({ ...plain, storage }, async (ms) => void pauses.push(ms))
    await expect(manager.state()).rejects.toThrow('no route')
    expect(pauses).toHaveLength(maxRefreshAttempts - 1)
    expect(Math.max(...pauses)).toBe(15_000)
  })

  test('an abort ends the retries', async () => {
    const plain = testContext()
    const stop = new AbortController()
    const storage = watched(plain.storage, () => Promise.reject(new Error('no route')))
    const manager = new EpochManager({ ...plain, storage, signal: stop.signal })
    const waiting = manager.state()
    setTimeout(() => stop.abort(), 20)
    await expect(waiting).rejects.toThrow(CancelledError)
  })

  test('blobs chosen from a state that expired meanwhile are not used', async () => {
    const plain = testContext()
    await putNames(plain, ['xe4', 'xn0_a', 'xn1_a', 'xn2_a', 'xn3_a'])
    let slept = false
    const storage = watched(plain.storage, async (call, id) => {
      if (call !== 'list' || id !== 'xn' || slept) return
      slept = true
      plain.clock.ms += dayMs
      await plain.storage.put('xs0_b', [])
      await plain.storage.delete('xn0_a')
    })
    const active = await new EpochManager({ ...plain, storage }).activeSet()
    expect(active.blobs.map(({ id }) => id)).toEqual(['xs0_b', 'xn1_a', 'xn2_a', 'xn3_a'])
  })
})

describe('writing indexes', () => {
  test('names blobs by epoch, hash, session and count', async () => {
    const context = testContext()
    await putNames(context, ['xe7'])
    const manager = new EpochManager(context)
    const written = await manager.writeIndexes([shardOf(1), shardOf(2)], 's0123456789abcdef13c')
    for (const { id } of written) expect(id).toMatch(/^xn7_[0-9a-f]{32}-s0123456789abcdef13c-c2$/)
    expect(await rowsOf(manager)).toEqual([idOf(1), idOf(2)])
    const [recovered] = await manager.writeIndexes([shardOf(3)], '')
    expect(recovered?.id).toMatch(/^xn7_[0-9a-f]{32}--c1$/)
    expect(await rowsOf(manager)).toHaveLength(3)
    expect(await manager.writeIndexes([], 's1')).toEqual([])
  })

  test('starts again in the new epoch when it changes between two shards', async () => {
    const plain = testContext()
    let puts = 0
    const storage = watched(plain.storage, async (call, id) => {
      if (call === 'put' && id.startsWith('xn') && ++puts === 1) {
        plain.clock.ms += 30 * minuteMs
        await plain.storage.put('xe1', [])
      }
    })
    const manager = new EpochManager({ ...plain, storage })
    const written = await manager.writeIndexes([shardOf(1), shardOf(2)], 's1')
    expect(written.map(({ id }) => id.slice(0, 4))).toEqual(['xn1_', 'xn1_'])
    expect(names(plain, 'xn')).toEqual(written.map(({ id }) => id).sort())
  })

  test.each([
    [1, true],
    [2, false],
  ])('when the epoch moves by %i during a PUT it succeeds: %s', async (steps, succeeds) => {
    const plain = testContext()
    const storage = watched(plain.storage, async (call, id) => {
      if (call === 'put' && id.startsWith('xn')) for (let e = 1; e <= steps; e++) await plain.storage.put(`xe${e}`, [])
    })
    const writing = new EpochManager({ ...plain, storage }).writeIndexes([shardOf(1)], 's1')
    if (succeeds) await expect(writing).resolves.toHaveLength(1)
    else await expect(writing).rejects.toThrow(SlowIndexWriteError)
    expect(names(plain, 'xn')).toHaveLength(succeeds ? 1 : 0)
  })

  test('a state with less than three quarters of its life left is read again first', async () => {
    const plain = testContext()
    const manager = new EpochManager(plain)
    await manager.state()
    await putNames(plain, ['xe1'])
    plain.clock.ms += 5 * minuteMs
    expect((await manager.writeIndexes([shardOf(1)], 's1'))[0]?.id).toMatch(/^xn0_/)
    await putNames(plain, ['xe2'])
    plain.clock.ms += 5 * minuteMs + 1
    expect((await manager.writeIndexes([shardOf(2)], 's1'))[0]?.id).toMatch(/^xn2_/)
  })

  test('a storage that is always too slow is given up, and nothing is left', async () => {
    const plain = testContext()
    const storage = watched(plain.storage, (call) => void (call === 'put' && (plain.clock.ms += hourMs)))
    const manager = new EpochManager({ ...plain, storage }, noSleep)
    // One shard per state is stored, so 30 shards need more restarts than are allowed.
    const shards = Array.from({ length: 30 }, (_, i) => shardOf(i))
    await expect(manager.writeIndexes(shards, 's1')).rejects.toThrow(SlowIndexWriteError)
    expect(names(plain, 'xn')).toEqual([])
  })
})

describe('advancing', () => {
  const blobs = (count: number, spanMs: number, sizeBytes = 1) =>
    Array.from({ length: count }, (_, i) => ({ id: `xn0_${i}`, sizeBytes, modifiedMs: i === 0 ? 0 : spanMs }))

  test.each([
    ['no blobs', [], false],
    ['enough blobs, old enough', blobs(20, dayMs), true],
    ['too few', blobs(19, dayMs), false],
    ['too young', blobs(20, dayMs - 1), false],
    ['few but large', blobs(2, dayMs, 5_242_880), true],
    ['few, one byte less', [...blobs(1, 0, 5_242_879), ...blobs(2, dayMs, 5_242_880).slice(1)], false],
  ])('%s: %s', (_what, listing, due) => {
    expect(isAdvanceDue(listing, defaultEpochs)).toBe(due)
  })

  test('writes the next marker once', async () => {
    const context = testContext()
    const manager = new EpochManager(context)
    for (let i = 0; i < 20; i++) {
      await manager.writeIndexes([shardOf(i)], 's1')
      context.clock.ms += 2 * hourMs
    }
    expect(await manager.advanceIfDue()).toEqual({ currentEpoch: 1, wasAdvanced: true })
    expect(context.blobs.get('xe1')?.data.toString()).toBe('epoch-marker')
    expect(await manager.advanceIfDue()).toEqual({ currentEpoch: 1, wasAdvanced: false })
  })
})
