import { describe, expect, test } from 'vitest'
import type { ContentId } from '#repo/content/content-id.ts'
import { allIds } from '#repo/content/content-info.ts'
import { createIndexBlobManager } from '#repo/content/index-blobs/create.ts'
import type { IndexCompaction } from '#repo/content/index-blobs/manager.ts'
import { migrateIndexes, poisonBlobId, poisonOldClients } from '#repo/content/index-blobs/migrate.ts'
import { SealedIndexes } from '#repo/content/index-blobs/sealed-index.ts'
import { chooseInputs, IndexBlobsV0 } from '#repo/content/index-blobs/v0.ts'
import { formatCleanupList, formatCompactionLog, parseCleanupList, parseCompactionLog } from '#repo/content/index-blobs/v0-log.ts'
import { hourMs, idOf, loadSet, minuteMs, putNames, shardOf, type TestContext, testContext, withoutEpochs } from './context.ts'

const v1Context = (): TestContext => testContext({ formatOver: withoutEpochs })
const names = (context: TestContext, prefix: string): string[] => [...context.blobs.keys()].filter((id) => id.startsWith(prefix)).sort()
const rowsOf = async (manager: IndexBlobsV0): Promise<string[]> =>
  [...(await loadSet(manager.context, await manager.activeSet())).iterate(allIds, true)].map((r) => `${r.id}${r.deleted ? ' deleted' : ''}`)

const blob = (id: string, sizeBytes = 1, modifiedMs = 0) => ({ id, sizeBytes, modifiedMs })

describe('logs', () => {
  test('are written as Kopia writes them, and read back', () => {
    const log = formatCompactionLog([blob('n1', 5, Date.UTC(2026, 0, 2) + 0.5)], [])
    expect(log.toString()).toBe('{"inputMetadata":[{"id":"n1","length":5,"timestamp":"2026-01-02T00:00:00.0005Z"}],"outputMetadata":null}')
    expect(parseCompactionLog('m1', log)).toEqual({ inputs: ['n1'], outputs: [] })
    const list = formatCleanupList(['m1', 'm2'], Date.UTC(2026, 0, 2))
    expect(list.toString()).toBe('{"blobIDs":["m1","m2"],"cleanupScheduleTime":"2026-01-02T00:00:00Z"}')
    expect(parseCleanupList('l1', list)).toEqual({ blobs: ['m1', 'm2'], scheduledMs: Date.UTC(2026, 0, 2) })
  })

  test.each(['', '[]', 'null', '{"inputMetadata":5}', '{"inputMetadata":[{}]}', '{"inputMetadata":["n1"]}'])('%s is no log', (text) => {
    expect(() => parseCompactionLog('m1', Buffer.from(text))).toThrow(/m1 is corrupt/)
  })

  test.each(['[]', '{}', '{"blobIDs":[1],"cleanupScheduleTime":"2026-01-02T00:00:00Z"}', '{"cleanupScheduleTime":"soon"}'])(
    '%s is no clean-up list',
    (text) => {
      expect(() => parseCleanupList('l1', Buffer.from(text))).toThrow(/l1 is corrupt/)
    },
  )
})

describe('the active set', () => {
  const set = async (present: readonly string[], logs: readonly [string[], string[]][]): Promise<string[]> => {
    const context = v1Context()
    await putNames(context, present)
    const sealed = new SealedIndexes(context)
    for (const [inputs, outputs] of logs)
      await sealed.store(
        'm',
        formatCompactionLog(
          inputs.map((id) => blob(id)),
          outputs.map((id) => blob(id)),
        ),
      )
    return (await new IndexBlobsV0(context).activeSet()).blobs.map(({ id }) => id)
  }

  test.each([
    ['no logs', ['n1', 'n2', 'xn0_1'], [], ['n1', 'n2']],
    ['a valid log hides its inputs', ['n1', 'n2', 'n3'], [[['n1', 'n2'], ['n3']]], ['n3']],
    [
      'a log whose output is missing is not valid',
      ['n1', 'n2', 'n3'],
      [
        [
          ['n1', 'n2'],
          ['n3', 'n4'],
        ],
      ],
      ['n1', 'n2', 'n3'],
    ],
    ['a log without outputs is valid', ['n1', 'n2'], [[['n1'], []]], ['n2']],
    [
      'logs follow each other',
      ['n1', 'n2', 'n3', 'n4'],
      [
        [['n1', 'n2'], ['n3']],
        [['n3'], ['n4']],
      ],
      ['n4'],
    ],
  ] as [string, string[], [string[], string[]][], string[]][])('%s', async (_what, present, logs, active) => {
    expect(await set(present, logs)).toEqual(active)
  })
})

test('blobs are named by hash and session, without a suffix when there is no session', async () => {
  const manager = createIndexBlobManager(v1Context())
  expect((await manager.write([shardOf(1, {}, 1)], 's0123456789abcdef13c'))[0]?.id).toMatch(/^n[0-9a-f]{32}-s0123456789abcdef13c$/)
  expect((await manager.write([shardOf(2, {}, 1)], ''))[0]?.id).toMatch(/^n[0-9a-f]{32}$/)
  expect(await rowsOf(manager as IndexBlobsV0)).toEqual([idOf(1), idOf(2)])
})

describe('what is compacted', () => {
  const sizes = (...list: number[]) => list.map((sizeBytes, i) => blob(`n${i}`, sizeBytes))
  test.each([
    ['too few candidates', sizes(1, 1), { maxSmallBlobs: 3 }, []],
    ['all candidates', sizes(1, 90, 90), { maxSmallBlobs: 3 }, [0, 1, 2]],
    ['the very small ones when they are the many', sizes(1, 1, 1, 90), { maxSmallBlobs: 3 }, [0, 1, 2]],
    ['all when the others are too many', sizes(1, 1, 1, 1, 90, 90), { maxSmallBlobs: 3 }, [0, 1, 2, 3, 4, 5]],
    ['not those larger than a pack', sizes(1, 50, 101), { maxSmallBlobs: 2 }, [0, 1]],
    ['those too when asked for', sizes(1, 50, 101), { maxSmallBlobs: 2, allIndexes: true }, [0, 1, 2]],
  ] as [string, ReturnType<typeof sizes>, IndexCompaction, number[]][])('%s', (_what, active, options, chosen) => {
    expect(chooseInputs(active, options, 100).map(({ id }) => id)).toEqual(chosen.map((i) => `n${i}`))
  })
})

describe('compaction', () => {
  async function written(count: number): Promise<IndexBlobsV0> {
    const manager = new IndexBlobsV0(v1Context())
    for (let i = 0; i < count; i++) await manager.write([shardOf(i, {}, 1)], 's1')
    return manager
  }

  test('merges into one blob with a random suffix and a log; inputs stay until they have settled', async () => {
    const manager = await written(3)
    const context = manager.context as TestContext
    await manager.compact({ maxSmallBlobs: 1 })
    expect(await rowsOf(manager)).toEqual([0, 1, 2].map(idOf))
    expect((await manager.activeSet()).blobs).toHaveLength(1)
    expect([names(context, 'n').length, names(context, 'm').length, names(context, 'l').length]).toEqual([4, 1, 0])
    await manager.compact({ maxSmallBlobs: 1 })
    expect(names(context, 'n')).toHaveLength(4)

    context.clock.ms += hourMs
    await manager.write([shardOf(3, {}, 1)], 's1')
    await manager.compact({ maxSmallBlobs: 1 })
    // The first log has settled: its inputs are gone, it is listed for clean-up; the inputs of the second log stay.
    expect([names(context, 'n').length, names(context, 'm').length, names(context, 'l').length]).toEqual([3, 2, 1])
    expect(await rowsOf(manager)).toEqual([0, 1, 2, 3].map(idOf))

    context.clock.ms += hourMs
    await manager.write([shardOf(4, {}, 1)], 's1')
    await manager.compact({ maxSmallBlobs: 1 })
    // A second list has come an hour after the first was scheduled: the log named by the first goes, and that list.
    expect([names(context, 'm').length, names(context, 'l').length]).toEqual([2, 1])
    expect(await rowsOf(manager)).toEqual([0, 1, 2, 3, 4].map(idOf))
  })

  test('without safety everything superseded goes at once', async () => {
    const manager = await written(3)
    const context = manager.context as TestContext
    await manager.compact({ maxSmallBlobs: 1, disableSafety: true })
    expect([names(context, 'n').length, names(context, 'm').length, names(context, 'l').length]).toEqual([1, 0, 0])
    expect(await rowsOf(manager)).toEqual([0, 1, 2].map(idOf))
  })

  test('contents are dropped only after merging, so that none comes back', async () => {
    const manager = await written(2)
    await manager.write([shardOf(0, { deleted: true, timestampSeconds: 1_800_000_000 }, 1)], 's2')
    await manager.compact({ maxSmallBlobs: 1, dropDeletedBeforeSeconds: 1_800_000_000 })
    expect(await rowsOf(manager)).toEqual([`${idOf(0)} deleted`, idOf(1)])
    await manager.compact({ maxSmallBlobs: 1, dropDeletedBeforeSeconds: 1_800_000_001 })
    expect(await rowsOf(manager)).toEqual([idOf(1)])
    await manager.compact({ maxSmallBlobs: 1, dropContents: new Set([idOf(1) as ContentId]) })
    expect(await rowsOf(manager)).toEqual([])
  })

  test('a crash between any two changes loses nothing', async () => {
    for (let crashAt = 0; crashAt < 30; crashAt++) {
      const manager = await written(3)
      const context = manager.context as TestContext
      await manager.compact({ maxSmallBlobs: 1 })
      context.clock.ms += hourMs + minuteMs
      await manager.write([shardOf(3, {}, 1)], 's1')
      let changes = 0
      const crashing = Object.create(context.storage, {
        put: {
          value: (...args: Parameters<typeof context.storage.put>) =>
            changes++ < crashAt ? context.storage.put(...args) : Promise.reject(new Error('crash')),
        },
        delete: { value: (id: string) => (changes++ < crashAt ? context.storage.delete(id) : Promise.reject(new Error('crash'))) },
        get: { value: (id: string) => context.storage.get(id) },
        list: { value: (prefix: string) => context.storage.list(prefix) },
      }) as typeof context.storage
      await new IndexBlobsV0({ ...context, storage: crashing }).compact({ maxSmallBlobs: 1 }).catch(() => undefined)
      expect(await rowsOf(manager)).toEqual([0, 1, 2, 3].map(idOf))
    }
  })
})

test('moving to epochs keeps every record, the index version in force, and poisons the old scheme', async () => {
  const old = v1Context()
  const manager = new IndexBlobsV0(old)
  for (let i = 0; i < 3; i++) await manager.write([shardOf(i, {}, 1)], 's1')
  const before = await rowsOf(manager)
  const order: string[] = []
  const written = await migrateIndexes(old, () => {
    order.push(...names(old, 'xn'), ...(old.blobs.has(poisonBlobId) ? ['poison'] : []))
    return Promise.resolve()
  })
  expect(order).toEqual(written)
  expect(written).toEqual([expect.stringMatching(/^xn0_[0-9a-f]{32}-s[0-9a-f]{16}-c1$/)])
  const epochs = createIndexBlobManager(testContext({ clock: old.clock, blobs: old.blobs }))
  const set = await loadSet(old, await epochs.activeSet())
  expect([...set.iterate(allIds, true)].map((r) => r.id)).toEqual(before)
  expect((await new SealedIndexes(old).read(written[0] as string))[0]).toBe(1)
  expect(await rowsOf(manager)).toEqual(before)
  await poisonOldClients(old.storage)
  await expect(rowsOf(manager)).rejects.toThrow()
})

test('compacting in the epoch scheme only moves the watermark', async () => {
  const context = testContext()
  const manager = createIndexBlobManager(context)
  await manager.write([shardOf(1)], 's1')
  await manager.compact({ maxSmallBlobs: 1 })
  expect(names(context, 'xw')).toEqual([])
  await manager.compact({ maxSmallBlobs: 1, dropDeletedBeforeSeconds: 77 })
  expect(names(context, 'xw')).toEqual(['xw77'])
})
