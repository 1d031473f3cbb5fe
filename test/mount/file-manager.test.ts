import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { repositoryRoot } from '../support/shared.ts'
import { until } from '../support/wait.ts'
import { run, whyNoLiveMounts } from './support/live.ts'
import { noise } from './support/source-tree.ts'

const missing = ['thunar', 'Xvfb', 'xdotool', 'import', 'dbus-run-session', 'gdbus'].filter((p) => spawnSync('which', [p]).status !== 0)
const why = whyNoLiveMounts ?? (missing.length > 0 ? `not installed: ${missing.join(', ')}` : undefined)
/** Kept, to be looked at. */
const shots = join(repositoryRoot, 'build/artefacts/file-manager')

const home = new KuraHome()
afterAll(() => home.remove())

function makeFolder(root: string): void {
  mkdirSync(join(root, 'folder/sub'), { recursive: true })
  for (const name of ['a.txt', 'ünïcödé 日本.txt', 'sub/script.sh']) writeFileSync(join(root, 'folder', name), `content of ${name}\n`)
  writeFileSync(join(root, 'folder/sub/large.bin'), noise(3_000_000, 5))
  chmodSync(join(root, 'folder/sub/script.sh'), 0o750)
  symlinkSync('a.txt', join(root, 'folder/link'))
  lutimesSync(join(root, 'folder/link'), 1_500_000_000, 1_500_000_000)
  utimesSync(join(root, 'folder/a.txt'), 1_600_000_000.5, 1_600_000_000.5)
}

test.skipIf(why !== undefined)(
  `Thunar copies a folder into backup/ and drags it out of the snapshot that a flush makes of it${why ? ` (skipped: ${why})` : ''}`,
  async () => {
    rmSync(shots, { recursive: true, force: true })
    await home.ok('repository', 'create', 'filesystem', '--path', home.path('repo'))
    const [source, mountPoint, target] = [home.path('source'), home.path('mnt'), home.path('target')]
    for (const folder of [source, mountPoint, target, home.path('desktop'), home.path('run')]) mkdirSync(folder, { recursive: true })
    makeFolder(source)
    const daemon = home.start('mount', 'all', mountPoint, '--flush-after', '1h')
    try {
      await until('the mount', () => existsSync(join(mountPoint, '.kura/status')))
      const script = join(repositoryRoot, 'test/mount/programs/file-manager.sh')
      const flush = `${join(repositoryRoot, 'dist/kura')} flush ${mountPoint}`
      // The session must not know the one that the tests run in.
      const inSession = [
        '-u',
        'DISPLAY',
        '-u',
        'DBUS_SESSION_BUS_ADDRESS',
        `HOME=${home.path('desktop')}`,
        `XDG_RUNTIME_DIR=${home.path('run')}`,
      ]
      const kura = Object.entries(home.env).flatMap(([k, v]) => (/^(KOPIA|XDG_STATE)/.test(k) ? [`${k}=${v}`] : []))
      const args = [
        ...inSession,
        ...kura,
        'timeout',
        '500',
        'dbus-run-session',
        '--',
        'bash',
        script,
        source,
        mountPoint,
        target,
        shots,
        flush,
      ]
      const { status, stdout, stderr } = await run('env', args)
      expect(`${status}: ${status === 0 ? '' : stdout + stderr}`).toBe('0: ')
      expect((await run('diff', ['-r', '--no-dereference', join(source, 'folder'), join(target, 'folder')])).stdout).toBe('')
      const [from, to] = [statSync(join(source, 'folder/a.txt')), statSync(join(target, 'folder/a.txt'))]
      expect(Math.floor(to.mtimeMs)).toBe(Math.floor(from.mtimeMs))
      expect(statSync(join(target, 'folder/sub/script.sh')).mode & 0o777).toBe(0o750)
      expect(readdirSync(shots).sort()).toEqual(['copied.png', 'dragged.png', 'dragging.png'])
      for (const name of readdirSync(shots)) expect(statSync(join(shots, name)).size).toBeGreaterThan(5_000)
    } finally {
      daemon.kill('SIGKILL')
      spawnSync('umount', ['-l', mountPoint], { stdio: 'ignore' })
    }
  },
)
