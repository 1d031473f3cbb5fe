import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { repositoryRoot } from '../support/shared.ts'
import { until } from '../support/wait.ts'
import { run, whyNoLiveMounts } from './support/live.ts'

const home = new KuraHome()
afterAll(() => home.remove())
const flushes = 8

test.skipIf(whyNoLiveMounts !== undefined)(
  `each snapshot is one moment of the tree, though writers never pause${whyNoLiveMounts ? ` (skipped: ${whyNoLiveMounts})` : ''}`,
  async () => {
    await home.ok('repository', 'create', 'filesystem', '--path', home.path('repo'))
    const mountPoint = home.path('mnt')
    mkdirSync(mountPoint)
    const daemon = home.start('mount', 'all', mountPoint, '--flush-after', '1h', '--quiesce', '0s')
    try {
      await until('the mount', () => existsSync(join(mountPoint, 'backup')))
      const program = join(repositoryRoot, 'test/mount/programs/race.py')
      const { status, stdout, stderr } = await run('python3', [program, mountPoint, String(flushes)])
      expect(`${status} ${stderr}`).toBe('0 ')
      const [found = 0, between = 0] = stdout.split(' ').map(Number)
      expect(found).toBeGreaterThanOrEqual(flushes - 1)
      // Else nothing was written while they were made.
      expect(between).toBeGreaterThan(flushes / 2)
    } finally {
      daemon.kill('SIGKILL')
      spawnSync('umount', ['-l', mountPoint], { stdio: 'ignore' })
    }
  },
)
