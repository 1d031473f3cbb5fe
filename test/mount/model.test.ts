import { type ChildProcess, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { runFsck } from '../support/referee.ts'
import { repositoryRoot } from '../support/shared.ts'
import { until } from '../support/wait.ts'
import { run, whyNoLiveMounts } from './support/live.ts'

const program = (name: string): string => join(repositoryRoot, 'test/mount/programs', name)
/** By hand: a seed and numbers of one's own. */
const seed = process.env['KURA_SEED'] ?? '4'
const operations = process.env['KURA_OPERATIONS'] ?? '10000'
const fileOperations = process.env['KURA_FSX_OPERATIONS'] ?? '100000'

describe.skipIf(whyNoLiveMounts !== undefined)(
  `backup/ and a local folder${whyNoLiveMounts ? ` (skipped: ${whyNoLiveMounts})` : ''}`,
  () => {
    const home = new KuraHome()
    const mountPoint = home.path('mnt')
    const local = home.path('local')
    const staged = join(mountPoint, 'backup/model')
    let daemon: ChildProcess | undefined

    async function mount(): Promise<void> {
      const child = home.start('mount', 'all', mountPoint, '--flush-after', '1h')
      daemon = child
      await until('the mount', () => readStatus() !== undefined)
    }

    function readStatus(): string | undefined {
      try {
        return readFileSync(join(mountPoint, '.kura/status'), 'utf8')
      } catch {
        return undefined
      }
    }

    async function python(name: string, ...args: string[]): Promise<void> {
      const { status, stdout, stderr } = await run('python3', [program(name), ...args])
      expect(`${status} ${stderr}${status === 0 ? '' : stdout}`).toBe('0 ')
    }

    beforeAll(async () => {
      await home.ok('repository', 'create', 'filesystem', '--path', home.path('repo'))
      mkdirSync(mountPoint)
      mkdirSync(local, { mode: 0o755 })
      await mount()
    })
    afterEach(() => expect(readStatus()).toBeDefined())
    afterAll(() => {
      daemon?.kill('SIGKILL')
      spawnSync('umount', ['-l', mountPoint], { stdio: 'ignore' })
      home.remove()
    })

    test('answer alike and end up alike: at once, after a flush, after a remount, and restored', async () => {
      mkdirSync(staged, { mode: 0o755 })
      await python('model.py', 'run', seed, operations, staged, local)
      await python('model.py', 'settle', staged, local)
      await python('model.py', 'compare', staged, local, 'links')
      await home.ok('flush', mountPoint)
      await python('model.py', 'compare', staged, local)
      // What is now below the changes behaves like what was written.
      await python('model.py', 'run', `${seed}1`, operations, staged, local)
      await python('model.py', 'settle', staged, local)
      await python('model.py', 'compare', staged, local)
      await home.ok('unmount', mountPoint)
      await mount()
      await python('model.py', 'compare', staged, local)
      const [, last] = JSON.parse(await home.ok('snapshot', 'list', '--all', '--json')) as { readonly id: string }[]
      await home.ok('restore', last?.id ?? '', home.path('restored'), '--own-folder-times')
      await python('model.py', 'compare', home.path('restored/model'), local)
      expect(await runFsck(home.path('repo'), 'test-password')).toMatchObject({
        status: 0,
        output: expect.stringContaining(' 0 violations'),
      })
    })

    test(`two files are read as they were written, by every call there is, ${fileOperations} calls each`, async () => {
      await Promise.all([
        python('fsx.py', seed, fileOperations, join(mountPoint, 'backup/fsx')),
        python('fsx.py', `${seed}2`, fileOperations, join(mountPoint, 'backup/fsx-nommap'), 'nommap'),
      ])
    }, 600_000)
  },
)
