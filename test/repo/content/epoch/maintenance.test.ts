import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ContentId } from '#repo/content/content-id.ts'
import { allIds } from '#repo/content/content-info.ts'
import { EpochManager } from '#repo/content/epoch/manager.ts'
import { dayMs, hourMs, idOf, loadSet, minuteMs, putNames, shardOf, type TestContext, testContext } from '../index-blobs/context.ts'

const names = (context: TestContext, prefix: string): string[] => [...context.blobs.keys()].filter((id) => id.startsWith(prefix)).sort()
const rowsOf = async (manager: EpochManager): Promise<string[]> =>
  [...(await loadSet(manager.context, await manager.activeSet())).iterate(allIds, true)].map((r) => `${r.id}${r.deleted ? ' deleted' : ''}`)

/** A storage with one index blob in each of epochs 0..`last`. */
async function filled(last: number): Promise<EpochManager> {
  const context = testContext()
  const manager = new EpochManager(context)
  for (let epoch = 0; epoch <= last; epoch++) {
    if (epoch > 0) await putNames(context, [`xe${epoch}`])
    manager.invalidate()
    await manager.writeIndexes([shardOf(epoch)], 's1')
  }
  return manager
}

describe('single-epoch compaction', () => {
  test('merges the first settled epoch without a set, keeping deleted records', async () => {
    const manager = await filled(3)
    const context = manager.context as TestContext
    const early = new EpochManager(testContext({ clock: context.clock, blobs: context.blobs }))
    const deleted = shardOf(0, { deleted: true, timestampSeconds: 2_000_000_000 })
    context.blobs.delete('xe1')
    for (const e of [2, 3]) context.blobs.delete(`xe${e}`)
    await early.writeIndexes([deleted], 's2')
    await putNames(context, ['xe1', 'xe2', 'xe3'])
    manager.invalidate()
    const before = await rowsOf(manager)
    expect(await manager.compactSingleEpoch()).toMatchObject({ epoch: 0, supersededBlobCount: 2 })
    expect(names(context, 'xs')).toEqual([expect.stringMatching(/^xs0_[0-9a-f]{32}-s[0-9a-f]{16}-c1$/)])
    expect(await manager.compactSingleEpoch()).toMatchObject({ epoch: 1, supersededBlobCount: 1 })
    expect(await manager.compactSingleEpoch()).toBeUndefined()
    expect(await rowsOf(manager)).toEqual(before)
    expect(before).toContain(`${idOf(0)} deleted`)
  })

  test('does nothing for an empty or an unsettled epoch', async () => {
    const context = testContext()
    const manager = new EpochManager(context)
    expect(await manager.compactSingleEpoch()).toBeUndefined()
    await putNames(context, ['xe5'])
    manager.invalidate()
    expect(await manager.compactSingleEpoch()).toBeUndefined()
    expect(names(context, 'xs')).toEqual([])
  })
})

describe('range checkpoints', () => {
  test.each([
    [8, undefined],
    [9, { firstEpoch: 0, lastEpoch: 7 }],
    [10, { firstEpoch: 0, lastEpoch: 8 }],
  ])('with write epoch %i: %o', async (writeEpoch, range) => {
    const manager = await filled(writeEpoch)
    const before = await rowsOf(manager)
    expect(await manager.compactRange()).toEqual(range)
    const made = range ? [expect.stringMatching(new RegExp(`^xr0_${range.lastEpoch}_[0-9a-f]{32}-s[0-9a-f]{16}-c1$`)) as string] : []
    expect(names(manager.context as TestContext, 'xr')).toEqual(made)
    expect(await rowsOf(manager)).toEqual(before)
  })

  test('continues behind the last range and takes single-epoch sets', async () => {
    const manager = await filled(9)
    await manager.compactSingleEpoch()
    expect(await manager.compactRange()).toEqual({ firstEpoch: 0, lastEpoch: 7 })
    expect(await manager.compactRange()).toBeUndefined()
    for (let epoch = 10; epoch <= 17; epoch++) {
      await putNames(manager.context, [`xe${epoch}`])
      manager.invalidate()
      await manager.writeIndexes([shardOf(epoch)], 's1')
    }
    expect(await manager.compactRange()).toEqual({ firstEpoch: 8, lastEpoch: 15 })
    expect(await rowsOf(manager)).toEqual(Array.from({ length: 18 }, (_, i) => idOf(i)))
  })
})

describe('the deletion watermark', () => {
  test('only moves forward and hides deleted records up to it', async () => {
    const context = testContext()
    const manager = new EpochManager(context)
    await manager.writeIndexes(
      [shardOf(1, { deleted: true, timestampSeconds: 100 }), shardOf(2, { deleted: true, timestampSeconds: 101 })],
      's1',
    )
    expect(await manager.advanceDeletionWatermark(100)).toBe(true)
    expect(await manager.advanceDeletionWatermark(99)).toBe(false)
    expect(context.blobs.get('xw100')?.data.toString()).toBe('deletion-watermark')
    expect(await rowsOf(manager)).toEqual([`${idOf(2)} deleted`])
    const set = await loadSet(context, await manager.activeSet())
    expect([set.find(idOf(1) as ContentId), set.find(idOf(2) as ContentId)?.deleted]).toEqual([undefined, true])
  })
})

describe('cleaning', () => {
  test('keeps markers from the epoch before the write epoch and watermarks younger than the margin', async () => {
    const context = testContext()
    const manager = new EpochManager(context)
    await putNames(context, ['xe1', 'xe2', 'xe3', 'xe4', 'xw100'])
    context.clock.ms += 3 * hourMs
    await putNames(context, ['xw200', 'xw300', 'xwodd'])
    expect(await manager.cleanupMarkers()).toEqual({ deletedMarkerCount: 0, deletedWatermarkCount: 0 })
    context.clock.ms += hourMs + 1
    await putNames(context, ['xn5_a'])
    manager.invalidate()
    expect(await manager.cleanupMarkers()).toEqual({ deletedMarkerCount: 2, deletedWatermarkCount: 1 })
    expect(names(context, 'x')).toEqual(['xe3', 'xe4', 'xn5_a', 'xw200', 'xw300', 'xwodd'])
  })

  test('originals go when the set that replaced them is older than the margin, by the storage clock', async () => {
    const manager = await filled(3)
    const context = manager.context as TestContext
    await manager.compactSingleEpoch()
    const setMs = context.clock.ms
    context.clock.ms += 4 * hourMs
    await manager.writeIndexes([shardOf(10)], 's1')
    expect(await manager.cleanupSuperseded()).toEqual({ deletedBlobCount: 0, deletedTotalBytes: 0 })
    context.clock.ms += 1
    await manager.writeIndexes([shardOf(11)], 's1')
    const cleaned = await manager.cleanup()
    expect(cleaned).toMatchObject({ deletedBlobCount: 1, maxReplacementMs: setMs })
    expect(cleaned.deletedTotalBytes).toBeGreaterThan(0)
    expect(names(context, 'xn0_')).toEqual([])
    expect(await rowsOf(manager)).toEqual([0, 1, 2, 3, 10, 11].map(idOf))
  })

  test('a set of an epoch that readers still read from xn deletes nothing', async () => {
    const manager = await filled(2)
    const context = manager.context as TestContext
    await putNames(context, ['xs1_x', 'xs2_x'])
    context.clock.ms += dayMs
    await manager.writeIndexes([shardOf(9)], 's1')
    expect((await manager.cleanupSuperseded()).deletedBlobCount).toBe(0)
  })
})

test('whatever clients and maintenance do, nothing that was written is ever lost', async () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ act: fc.constant('write' as const), client: fc.integer({ min: 0, max: 2 }) }) },
    { weight: 4, arbitrary: fc.record({ act: fc.constant('wait' as const), minutes: fc.integer({ min: 1, max: 3000 }) }) },
    { weight: 3, arbitrary: fc.record({ act: fc.constant('maintain' as const), full: fc.boolean() }) },
  )
  const quickEpochs = { fullCheckpointFrequency: 2, epochAdvanceOnCountThreshold: 2 }
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const shared = testContext()
      const formatOver = { epochs: { ...shared.format.epochs, ...quickEpochs } }
      const client = (): EpochManager => new EpochManager(testContext({ clock: shared.clock, blobs: shared.blobs, formatOver }))
      const clients = [client(), client(), client()]
      const owner = client()
      let count = 0
      for (const s of steps) {
        if (s.act === 'wait') shared.clock.ms += s.minutes * minuteMs
        else if (s.act === 'write') await clients[s.client]?.writeIndexes([shardOf(count++)], 's1')
        else {
          owner.invalidate()
          await owner.compactSingleEpoch()
          await owner.advanceIfDue()
          if (s.full) await owner.compactRange()
          if (s.full) await owner.cleanup()
        }
        const expected = Array.from({ length: count }, (_, i) => idOf(i))
        expect(await rowsOf(client())).toEqual(expected)
      }
    }),
    { numRuns: 40 },
  )
})
