import { type ChildProcess, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { repositoryRoot } from '../support/shared.ts'
import { until } from '../support/wait.ts'
import { run, whyNoLiveMounts } from './support/live.ts'

const program = join(repositoryRoot, 'test/mount/programs/posix.py')
/** A build of the C version of pjdfstest; by hand. */
const pjdfstest = process.env['PJDFSTEST'] ?? ''
const hasPjdfstest = existsSync(join(pjdfstest, 'pjdfstest'))

describe.skipIf(whyNoLiveMounts !== undefined)(`calls on files${whyNoLiveMounts ? ` (skipped: ${whyNoLiveMounts})` : ''}`, () => {
  const home = new KuraHome()
  const mountPoint = home.path('mnt')
  let daemon: ChildProcess | undefined

  beforeAll(async () => {
    chmodSync(home.root, 0o755)
    await home.ok('repository', 'create', 'filesystem', '--path', home.path('repo'))
    mkdirSync(home.path('folder/folder'), { recursive: true })
    writeFileSync(home.path('folder/file'), 'content')
    await home.ok('snapshot', 'create', home.path('folder'))
    mkdirSync(mountPoint)
    daemon = home.start('mount', 'all', mountPoint, '--flush-after', '1h')
    await until('the mount', () => existsSync(join(mountPoint, '.kura/status')))
  })
  afterAll(() => {
    daemon?.kill('SIGKILL')
    spawnSync('umount', ['-l', mountPoint], { stdio: 'ignore' })
    home.remove()
  })

  async function expectAllRight(...args: string[]): Promise<void> {
    const { stdout, stderr } = await run('python3', [program, ...args])
    expect(stderr).toBe('')
    expect(stdout).toMatch(/^\d{3,} cases, 0 wrong\n$/)
  }

  test('of a local folder have the answers that are asked for below', async () => {
    await expectAllRight(home.path('local-folder', '..'))
  })

  test('in backup/ have the same answers, errors and times, for root and for ordinary users; in snapshots all changes are EROFS', async () => {
    const { stdout } = await run('bash', ['-c', `echo ${mountPoint}/*@*/*folder/latest`])
    await expectAllRight(join(mountPoint, 'backup'), mountPoint, stdout.trim())
  })

  test.skipIf(!hasPjdfstest)(
    `in backup/ pass pjdfstest${hasPjdfstest ? '' : ' (skipped: PJDFSTEST names no build of github.com/pjd/pjdfstest; the tests above have its cases)'}`,
    async () => {
      const script = join(repositoryRoot, 'test/mount/pjdfstest.sh')
      const where = mkdtempSync(join(mountPoint, 'backup/pjdfstest-'))
      const { status, stdout, stderr } = await run('env', [`PJDFSTEST_DIR=${pjdfstest}`, script, where])
      expect(`${status} ${status === 0 ? '' : stdout + stderr}`).toBe('0 ')
      rmSync(where, { recursive: true })
    },
    900_000,
  )
})
