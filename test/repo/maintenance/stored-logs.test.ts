import { expect, test } from 'vitest'
import { memoryStorage } from '#repo/blob/memory.ts'
import { listLogs, planLogCleanup } from '#repo/maintenance/stored-logs.ts'

const noLimits = { maxTotalBytes: 0, maxCount: 0, maxAgeNs: 0n }
const blob = (id: string, sizeBytes: number, modifiedMs: number) => ({ id, sizeBytes, modifiedMs })
const blobs = [blob('c', 10, 3000), blob('a', 10, 1000), blob('b', 10, 2000)]
const goes = (limits: Partial<typeof noLimits>) => planLogCleanup(blobs, { ...noLimits, ...limits }, 4000).toDelete.map(({ id }) => id)

test('log cleanup deletes the first log beyond a limit and all older ones', () => {
  expect(goes({})).toEqual([])
  expect(goes({ maxCount: 2 })).toEqual(['a'])
  expect(goes({ maxTotalBytes: 15 })).toEqual(['b', 'a'])
  expect(goes({ maxAgeNs: 1_500_000_000n })).toEqual(['b', 'a'])
})

test('segments of one log are one row, in time order; other names are told of', async () => {
  const storage = memoryStorage()
  const name = (start: number, sequence: number) =>
    `_log_20261125111355_03dc_${start}_${start + 9}_${sequence}_106b0825440dee2922f8960853f32a14`
  for (const id of [name(200, 2), name(100, 1), '_log_20261125111350_aaaa_50_60_1_106b', '_log_odd'])
    await storage.put(id, [Buffer.alloc(5)])
  const odd: string[] = []
  const logs = await listLogs(storage, (id) => odd.push(id))
  expect(logs.map(({ id, startSeconds, endSeconds, totalBytes }) => [id, startSeconds, endSeconds, totalBytes])).toEqual([
    ['20261125111350_aaaa', 50, 60, 5],
    ['20261125111355_03dc', 100, 209, 10],
  ])
  expect(logs[1]?.segments.map(({ id }) => id)).toEqual([name(100, 1), name(200, 2)])
  expect(odd).toEqual(['_log_odd'])
})
