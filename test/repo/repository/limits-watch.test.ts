import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { memoryStorage } from '#repo/blob/memory.ts'
import { Throttle } from '#repo/blob/wrap/throttle.ts'
import { followingLimits } from '#repo/repository/limits-watch.ts'
import { scratchFolders } from '../../support/scratch.ts'
import { until } from '../../support/wait.ts'

const scratch = scratchFolders()

test('limits follow the configuration file while the storage is open', async () => {
  const file = join(scratch(), 'repository.config')
  const write = (limits: object) =>
    writeFileSync(file, JSON.stringify({ storage: { type: 'filesystem', config: { readsPerSecond: 3 } }, throttlingLimits: limits }))
  write({ writesPerSecond: 7 })
  const throttle = new Throttle()
  const storage = followingLimits(throttle, file, {}, 10)(memoryStorage())
  await until('the limits', () => throttle.writes.perSecond === 7)
  // The connection's limits replace those of the storage's own configuration.
  expect(throttle.reads.perSecond).toBe(0)
  writeFileSync(file, 'garbage')
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(throttle.writes.perSecond).toBe(7)
  write({ concurrentReads: 2 })
  await until('the new limits', () => throttle.readSlots.limit === 2 && throttle.writes.perSecond === 0)
  await storage.close()
  write({ concurrentReads: 9 })
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(throttle.readSlots.limit).toBe(2)
})
