import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { lockMaintenance } from '#repo/maintenance/lock.ts'
import { scratchFolders } from '../../support/scratch.ts'

const scratch = scratchFolders()

test('one program at a time holds the lock of a configuration file, which stays behind', async () => {
  const config = join(scratch(), 'repository.config')
  const held = await lockMaintenance(config)
  expect(held).toBeDefined()
  expect(await lockMaintenance(config)).toBeUndefined()
  // The kind of lock that Kopia takes.
  expect(spawnSync('flock', ['-n', `${config}.mlock`, 'true']).status).toBe(1)
  await held?.release()
  expect(existsSync(`${config}.mlock`)).toBe(true)
  expect(spawnSync('flock', ['-n', `${config}.mlock`, 'true']).status).toBe(0)
  const again = await lockMaintenance(config)
  expect(again).toBeDefined()
  await again?.release()
})
