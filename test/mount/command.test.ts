import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { repositoryRoot } from '../support/shared.ts'
import { ended, until } from '../support/wait.ts'
import { isFuseNativeThere, isMounted, run, whyNoLiveMounts } from './support/live.ts'

interface Served {
  readonly child: ChildProcess
  readonly mountPoint: string
  /** What it has said so far. */
  said: string
  readonly ended: Promise<number | null>
}

describe.skipIf(whyNoLiveMounts !== undefined)(`kura mount, writable${whyNoLiveMounts ? ` (skipped: ${whyNoLiveMounts})` : ''}`, () => {
  const home = new KuraHome()
  const started: Served[] = []
  let count = 0

  beforeAll(async () => {
    await home.ok('repository', 'create', 'filesystem', '--path', home.path('repo'))
    await home.ok('repository', 'set-client', '--username', 'user', '--hostname', 'host')
    mkdirSync(home.path('folder/sub'), { recursive: true })
    writeFileSync(home.path('folder/a'), 'content of a\n')
    writeFileSync(home.path('folder/sub/b'), 'content of b\n')
  })
  afterEach(() => {
    for (const { child, mountPoint } of started.splice(0)) {
      child.kill('SIGKILL')
      spawnSync('umount', ['-l', mountPoint], { stdio: 'ignore' })
    }
  })
  afterAll(() => home.remove())

  /** Each mount has a source of its own unless told otherwise. */
  async function mount(...flags: string[]): Promise<Served> {
    const mountPoint = home.path(`mnt-${count++}`)
    mkdirSync(mountPoint)
    return follow(home.start('mount', 'all', mountPoint, ...flags), mountPoint)
  }

  async function follow(child: ChildProcess, mountPoint: string): Promise<Served> {
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    const served: Served = { child, mountPoint, said: '', ended }
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      served.said += text
    })
    started.push(served)
    await until('the mount', () => served.said.includes('Press Ctrl-C') || child.exitCode !== null)
    if (child.exitCode !== null) throw new Error(served.said)
    return served
  }

  const copyFolder = ({ mountPoint }: Served, name: string) =>
    expect(spawnSync('cp', ['-a', home.path('folder'), join(mountPoint, 'backup', name)]).status).toBe(0)

  const snapshotsOf = async (path: string) =>
    JSON.parse(await home.ok('snapshot', 'list', '--json', `user@host:${path}`)) as { id: string }[]

  test('.kura shows the snapshots by tag and time, and all versions of a file; links may lead inside', async () => {
    mkdirSync(home.path('versioned/d'), { recursive: true })
    writeFileSync(home.path('versioned/d/f.txt'), 'one')
    symlinkSync(home.path('versioned/d/f.txt'), home.path('versioned/link'))
    await home.ok('snapshot', 'create', '--tags', 'kind:first', '--start-time', '2020-01-01 00:00:00 UTC', home.path('versioned'))
    writeFileSync(home.path('versioned/d/f.txt'), 'second')
    await home.ok('snapshot', 'create', home.path('versioned'))
    const shown = ['--uid', '1234', '--umask', '077', '--unindexed', '--symlinks', 'inside', '-o', 'nosymfollow']
    const served = await mount('--read-only', ...shown, '--view', 'hosts/%h/%T')
    const [source] = readdirSync(join(served.mountPoint, '.kura/versions/user@host')).filter((n) => n.endsWith('versioned'))
    const versions = join(served.mountPoint, '.kura/versions/user@host', source as string, 'd/f.txt')
    const names = readdirSync(versions)
    expect(names).toHaveLength(2)
    expect(readFileSync(join(versions, '20200101-000000.txt'), 'utf8')).toBe('one')
    expect(readFileSync(join(versions, names.find((n) => !n.startsWith('2020')) as string), 'utf8')).toBe('second')
    const first = join(served.mountPoint, '.kura/by-tag/kind=first/20200101-000000')
    expect(readFileSync(join(first, 'd/f.txt'), 'utf8')).toBe('one')
    expect(readdirSync(join(served.mountPoint, '.kura/hosts/host'))).toContain('20200101-000000')
    expect(readlinkSync(join(first, 'link'))).toBe('d/f.txt')
    expect(lstatSync(join(first, 'd/f.txt'))).toMatchObject({ uid: 1234, mode: 0o100600 })
    expect(readdirSync(served.mountPoint)).toEqual(expect.arrayContaining(['.nomedia', '.trackerignore']))
    expect(readFileSync(join(served.mountPoint, '.nomedia'), 'utf8')).toBe('')
    expect(() => readFileSync(join(first, 'link'))).toThrow(/ELOOP/)
  })

  test('refuses mount options that it does not know', async () => {
    mkdirSync(home.path('unused'))
    expect((await home.run('mount', 'all', home.path('unused'), '-o', 'ro,dmask=7')).stderr).toContain('unknown mount option dmask=7')
  })

  test('what is copied into backup/ is a snapshot beside the others after a flush', async () => {
    const served = await mount()
    copyFolder(served, 'copied')
    expect((await home.run('flush', served.mountPoint)).stderr).toMatch(/^user@host:\/backup: snapshot [0-9a-f]{32}, 2 files$/m)
    const latest = join(served.mountPoint, 'user@host/backup/latest')
    expect(readFileSync(join(latest, 'copied/sub/b'), 'utf8')).toBe('content of b\n')
    expect(JSON.parse(readFileSync(join(served.mountPoint, '.kura/status'), 'utf8'))).toMatchObject({ state: 'clean', dirty_bytes: 0 })
    expect((await home.run('flush')).stderr).toContain('nothing has changed')
    expect(await home.run('unmount', served.mountPoint)).toMatchObject({ status: 0 })
    expect(await served.ended).toBe(0)
    expect(isMounted(served.mountPoint)).toBe(false)
    expect(await snapshotsOf('/backup')).toHaveLength(1)
  })

  const ways: [string, (served: Served) => Promise<unknown>][] = [
    ['kura unmount', ({ mountPoint }) => home.ok('unmount', mountPoint)],
    ['SIGTERM', async ({ child }) => child.kill('SIGTERM')],
    ['fusermount3 -u', ({ mountPoint }) => run('fusermount3', ['-u', mountPoint])],
    ['umount', ({ mountPoint }) => run('umount', [mountPoint])],
  ]
  test.each(ways)('what was not in a snapshot is flushed after %s', async (way, end) => {
    const source = `user@host:/end-${way.replaceAll(/\W/g, '')}`
    const served = await mount('--backup-source', source)
    copyFolder(served, 'x')
    await end(served)
    expect(await served.ended).toBe(0)
    expect(await snapshotsOf(source.slice(10))).toHaveLength(1)
    await home.ok('restore', (await snapshotsOf(source.slice(10)))[0]?.id ?? '', home.path(`restored-${way}`))
    expect(readFileSync(home.path(`restored-${way}`, 'x/a'), 'utf8')).toBe('content of a\n')
  })

  test('kura unmount waits for a flush that takes long, and says how far it is', async () => {
    await home.ok('repository', 'throttle', 'set', '--upload-bytes-per-second=20000')
    onTestFinished(async () => void (await home.ok('repository', 'throttle', 'set', '--upload-bytes-per-second=unlimited')))
    const served = await mount('--backup-source', 'user@host:/slow')
    writeFileSync(join(served.mountPoint, 'backup/large'), randomBytes(1_500_000))
    const child = home.start('unmount', '--progress', served.mountPoint)
    const end = ended(child)
    let said = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    await until('the progress', () => /\r(writing|saving): \d+ files, [\d.]+ [KM]?B/.test(said))
    expect(child.exitCode).toBe(null)
    await home.ok('repository', 'throttle', 'set', '--upload-bytes-per-second=unlimited')
    await end
    expect(child.exitCode).toBe(0)
    expect(await served.ended).toBe(0)
    expect(await snapshotsOf('/slow')).toHaveLength(1)
  })

  test('SIGUSR1, the control file and the idle timer flush', async () => {
    const served = await mount(
      '--backup-source',
      'user@host:/triggers',
      '--flush-after',
      '1s',
      '--on-flush',
      `echo "$KURA_STATUS $KURA_SOURCE" >>${home.path('hook')}`,
    )
    const state = () => JSON.parse(readFileSync(join(served.mountPoint, '.kura/status'), 'utf8')).state as string
    writeFileSync(join(served.mountPoint, 'backup/one'), '1')
    await until('the flush', () => state() === 'clean')
    writeFileSync(join(served.mountPoint, 'backup/two'), '2')
    served.child.kill('SIGUSR1')
    await until('the flush', () => state() === 'clean')
    writeFileSync(join(served.mountPoint, 'backup/three'), '3')
    expect(await run('sh', ['-c', 'echo now >.kura/flush && sync .kura/flush'], { cwd: served.mountPoint })).toMatchObject({ status: 0 })
    expect(await snapshotsOf('/triggers')).toHaveLength(3)
    await until('the hook', () => readFileSync(home.path('hook'), 'utf8') === 'ok user@host:/triggers\n'.repeat(3))
  })

  test('after a kill the folder takes no writes, and the next mount has everything', async () => {
    const served = await mount('--backup-source', 'user@host:/killed')
    copyFolder(served, 'kept')
    served.child.kill('SIGKILL')
    await served.ended
    expect(spawnSync('touch', [join(served.mountPoint, 'lost')]).status).not.toBe(0)
    const again = await follow(home.start('mount', 'all', served.mountPoint, '--backup-source', 'user@host:/killed'), served.mountPoint)
    expect(readFileSync(join(again.mountPoint, 'backup/kept/sub/b'), 'utf8')).toBe('content of b\n')
    expect(await home.run('unmount', again.mountPoint)).toMatchObject({ status: 0 })
    expect(await snapshotsOf('/killed')).toHaveLength(1)
  })

  test('is refused twice for one source, busy while a file is open, and read-only when asked', async () => {
    const first = await mount('--backup-source', 'user@host:/once')
    const second = home.path('second')
    mkdirSync(second)
    const refused = await home.run('mount', 'all', second, '--backup-source', 'user@host:/once')
    expect(refused).toMatchObject({ status: 1 })
    expect(refused.stderr).toContain('in use')
    const holder = spawn('sh', ['-c', 'exec 5>backup/open; echo; read x'], { cwd: first.mountPoint, stdio: ['pipe', 'pipe', 'ignore'] })
    await new Promise((resolve) => holder.stdout.once('data', resolve))
    const busy = await home.run('unmount', first.mountPoint)
    expect(busy).toMatchObject({ status: 4, stderr: expect.stringMatching(/It is held by \S+ \(\d+\)\./) as string })
    holder.stdin.end('\n')
    await new Promise((resolve) => holder.once('exit', resolve))
    expect(await home.run('unmount', first.mountPoint)).toMatchObject({ status: 0 })
    const reading = await mount('--read-only')
    expect(readdirSync(reading.mountPoint)).toEqual(['user@host'])
    expect(existsSync(join(reading.mountPoint, 'backup'))).toBe(false)
    expect(await home.run('unmount', reading.mountPoint)).toMatchObject({ status: 0 })
  })

  test.runIf(isFuseNativeThere)('says that a driver which can only read has no backup/', async () => {
    const served = await mount('--driver', 'fuse-native')
    expect(served.said).toContain('the mount has no backup/')
    expect(readdirSync(served.mountPoint)).toEqual(['user@host'])
    expect(await home.run('unmount', served.mountPoint)).toMatchObject({ status: 0 })
    expect(await served.ended).toBe(0)
  })

  test('a flush that fails loses nothing: unmount says so with status 3, the next mount flushes', async () => {
    const served = await mount('--backup-source', 'user@host:/failing')
    copyFolder(served, 'x')
    writeFileSync(join(served.mountPoint, 'backup/big'), randomBytes(1 << 20))
    const repo = home.path('repo')
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'kura-test', repo])
    onTestFinished(() => void spawnSync('umount', ['-l', repo]))
    expect(await home.run('flush', served.mountPoint)).toMatchObject({ status: 1 })
    expect(readFileSync(join(served.mountPoint, '.kura/status'), 'utf8')).toContain('"state": "failed"')
    expect(await home.run('unmount', served.mountPoint)).toMatchObject({ status: 3 })
    expect(await served.ended).toBe(3)
    spawnSync('umount', ['-l', repo])
    const again = await mount('--backup-source', 'user@host:/failing')
    expect(await home.run('unmount', again.mountPoint)).toMatchObject({ status: 0 })
    const [made] = await snapshotsOf('/failing')
    await home.ok('restore', made?.id ?? '', home.path('restored-failing'))
    expect(readFileSync(home.path('restored-failing', 'x/sub/b'), 'utf8')).toBe('content of b\n')
  })

  test('serves an ordinary user, and leaves the folder below closed when it is killed', async () => {
    const place = home.path('nobody')
    mkdirSync(place)
    chmodSync(home.root, 0o755)
    const script = `
      mknod -m 666 '${place}/fuse' c 10 229; mount --bind '${place}/fuse' /dev/fuse
      mkdir '${place}/mnt' '${place}/folder'; echo mine >'${place}/folder/f'; chown -R nobody '${place}'
      exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -euc '
        export KOPIA_PASSWORD=x KOPIA_CHECK_FOR_UPDATES=false HOME=${place} XDG_STATE_HOME=${place}/state KOPIA_CONFIG_PATH=${place}/config KOPIA_CACHE_DIRECTORY=${place}/cache KOPIA_LOG_DIR=${place}/logs
        kura=${join(repositoryRoot, 'dist/kura')}
        $kura repository create filesystem --path ${place}/repo 2>/dev/null >&2
        $kura mount all ${place}/mnt 2>/dev/null & pid=$!
        for i in $(seq 900); do [ -d ${place}/mnt/backup ] && break; sleep 0.1; done
        cp -a ${place}/folder ${place}/mnt/backup/; mv ${place}/mnt/backup/folder/f ${place}/mnt/backup/folder/g
        $kura flush ${place}/mnt >/dev/null 2>&1
        cat ${place}/mnt/*@*/backup/latest/folder/g; stat -c %u ${place}/mnt/backup/folder/g
        $kura unmount ${place}/mnt 2>/dev/null; wait $pid; echo status $?; stat -c %a ${place}/mnt
        $kura mount all ${place}/mnt 2>/dev/null & pid=$!
        for i in $(seq 900); do [ -d ${place}/mnt/backup ] && break; sleep 0.1; done
        kill -9 $pid; wait $pid || :; fusermount3 -uz ${place}/mnt; touch ${place}/mnt/lost 2>/dev/null || echo refused
        $kura mount all ${place}/mnt 2>/dev/null & pid=$!
        for i in $(seq 900); do [ -d ${place}/mnt/backup ] && break; sleep 0.1; done
        kill $pid; wait $pid; echo status $?; stat -c %a ${place}/mnt'`
    const { stdout } = await run('unshare', ['-m', 'sh', '-euc', script])
    expect(stdout.split('\n')).toEqual(['mine', '65534', 'status 0', '755', 'refused', 'status 0', '700', ''])
  })
})
