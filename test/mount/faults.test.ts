import { type ChildProcess, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'
import { type Fault, type FaultProxy, faultProxy } from '../servers/fault-proxy.ts'
import { davPassword, davUser, startLighttpd } from '../servers/webdav.ts'
import { KuraHome } from '../support/kura.ts'
import { repositoryRoot } from '../support/shared.ts'
import { until } from '../support/wait.ts'
import { run, whyNoLiveMounts } from './support/live.ts'

interface Status {
  readonly state: string
  readonly dirty_bytes: number
  readonly last: { readonly error?: string } | null
}

describe.skipIf(whyNoLiveMounts !== undefined)(
  `a mount whose storage fails during a flush${whyNoLiveMounts ? ` (skipped: ${whyNoLiveMounts})` : ''}`,
  () => {
    const cleanups: (() => void | Promise<void>)[] = []
    afterEach(async () => {
      for (const clean of cleanups.splice(0).reverse()) await clean()
    })

    function newHome(): KuraHome {
      const home = new KuraHome()
      cleanups.push(() => home.remove())
      return home
    }

    async function mount(home: KuraHome): Promise<string> {
      const mountPoint = home.path('mnt')
      mkdirSync(mountPoint)
      const daemon: ChildProcess = home.start('mount', 'all', mountPoint, '--flush-after', '1h')
      cleanups.push(() => {
        daemon.kill('SIGKILL')
        spawnSync('umount', ['-l', mountPoint], { stdio: 'ignore' })
      })
      await until('the mount', () => existsSync(join(mountPoint, '.kura/status')))
      return mountPoint
    }

    const statusOf = (mountPoint: string): Status => JSON.parse(readFileSync(join(mountPoint, '.kura/status'), 'utf8')) as Status

    /** What a person sees and can do after a flush that failed. */
    async function expectFailed(mountPoint: string, written: Buffer, reason: RegExp): Promise<void> {
      const { state, dirty_bytes, last } = statusOf(mountPoint)
      expect(state).toBe('failed')
      expect(dirty_bytes).toBeGreaterThanOrEqual(written.length)
      expect(last?.error).toMatch(reason)
      expect(readFileSync(join(mountPoint, '.kura/errors'), 'utf8')).toMatch(reason)
      expect(readFileSync(join(mountPoint, 'backup/large')).equals(written)).toBe(true)
      writeFileSync(join(mountPoint, 'backup/meanwhile'), 'written after the failure')
    }

    /** The next flush is done, and has what was written before and after the one that failed. */
    async function expectDone(home: KuraHome, mountPoint: string, written: Buffer): Promise<void> {
      await home.ok('flush', mountPoint)
      expect(statusOf(mountPoint)).toMatchObject({ state: 'clean', dirty_bytes: 0 })
      const made = (JSON.parse(await home.ok('snapshot', 'list', '--all', '--json')) as { id: string }[]).at(-1)
      await home.ok('restore', made?.id ?? '', home.path('restored'))
      expect(readFileSync(home.path('restored/large')).equals(written)).toBe(true)
      expect(readFileSync(home.path('restored/meanwhile'), 'utf8')).toBe('written after the failure')
    }

    test('because it is full: nothing is lost, and with room again all is flushed', async () => {
      const home = newHome()
      const repo = home.path('repo')
      mkdirSync(repo)
      const tmpfs = (...options: string[]) => spawnSync('mount', ['-t', 'tmpfs', '-o', options.join(), 'kura-test', repo]).status
      expect(tmpfs('size=64m')).toBe(0)
      cleanups.push(() => void spawnSync('umount', ['-l', repo]))
      await home.ok('repository', 'create', 'filesystem', '--path', repo)
      const mountPoint = await mount(home)
      const { blocks, bfree, bsize } = statfsSync(repo)
      expect(tmpfs('remount', `size=${(blocks - bfree) * bsize + 200_000}`)).toBe(0)
      const written = randomBytes(1_500_000)
      writeFileSync(join(mountPoint, 'backup/large'), written)
      for (let attempt = 0; attempt < 2; attempt++) {
        expect(await home.run('flush', mountPoint)).toMatchObject({ status: 1 })
        await expectFailed(mountPoint, written, /full|space/i)
      }
      expect(tmpfs('remount', 'size=64m')).toBe(0)
      await expectDone(home, mountPoint, written)
    })

    /** A WebDAV server, and what stands between it and the mount. */
    async function overDav(home: KuraHome): Promise<FaultProxy> {
      const server = await startLighttpd(home.path(), 'basic', false)
      cleanups.push(() => server.stop())
      const proxy = await faultProxy(Number(new URL(server.url).port))
      cleanups.push(() => proxy.stop())
      const login = ['--webdav-username', davUser, '--webdav-password', davPassword]
      await home.ok('repository', 'create', 'webdav', '--url', `http://127.0.0.1:${proxy.port}/`, ...login)
      return proxy
    }

    test('because it cannot be reached: nothing is lost, and when it can be again all is flushed', async () => {
      const home = newHome()
      const proxy = await overDav(home)
      const mountPoint = await mount(home)
      const written = randomBytes(300_000)
      writeFileSync(join(mountPoint, 'backup/large'), written)
      const cut: Fault = { kind: 'cut request', afterBytes: 0 }
      proxy.plan = () => cut
      expect(await home.run('flush', mountPoint)).toMatchObject({ status: 1 })
      await expectFailed(mountPoint, written, /despite \d+ retries/)
      proxy.plan = () => undefined
      await expectDone(home, mountPoint, written)
    })

    test('is slow: writers go on while it is being done, and it is done', async () => {
      const home = newHome()
      const proxy = await overDav(home)
      const mountPoint = await mount(home)
      const written = randomBytes(300_000)
      writeFileSync(join(mountPoint, 'backup/large'), written)
      // Nothing is answered until the writers are through: were they held up by the flush, neither would ever end.
      let release: () => void = () => undefined
      const released = new Promise<void>((resolve) => {
        release = resolve
      })
      proxy.plan = () => ({ kind: 'hold', until: released })
      const slow = faultsOf(proxy)
      writeFileSync(join(mountPoint, '.kura/flush'), 'now')
      await until('the first request', () => slow() > 0)
      expect(statusOf(mountPoint).state).toBe('flushing')
      for (let i = 0; i < 50; i++) writeFileSync(join(mountPoint, `backup/later-${i}`), 'x')
      writeFileSync(join(mountPoint, 'backup/meanwhile'), 'written after the failure')
      expect(statusOf(mountPoint).state).toBe('flushing')
      release()
      await expectDone(home, mountPoint, written)
    })

    const faultsOf = (proxy: FaultProxy): (() => number) => {
      const before = proxy.faults()
      return () => proxy.faults() - before
    }

    test('because it may not write there: nothing is lost, and when it may again all is flushed', async () => {
      const home = newHome()
      const place = home.path('nobody')
      mkdirSync(place)
      chmodSync(home.root, 0o755)
      onTestFinished(() => void spawnSync('umount', ['-l', join(place, 'mnt')], { stdio: 'ignore' }))
      // Root may write anywhere: an ordinary user, with a /dev/fuse that everybody may open.
      const script = `
        mknod -m 666 '${place}/fuse' c 10 229; mount --bind '${place}/fuse' /dev/fuse
        mkdir '${place}/mnt'; chown -R nobody '${place}'
        exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -euc '
          export KOPIA_PASSWORD=x KOPIA_CHECK_FOR_UPDATES=false HOME=${place} XDG_STATE_HOME=${place}/state KOPIA_CONFIG_PATH=${place}/config KOPIA_CACHE_DIRECTORY=${place}/cache KOPIA_LOG_DIR=${place}/logs
          kura=${join(repositoryRoot, 'dist/kura')}; cd ${place}
          $kura repository create filesystem --path ${place}/repo 2>/dev/null >&2
          $kura mount all mnt 2>/dev/null & pid=$!
          for i in $(seq 900); do [ -d mnt/backup ] && break; sleep 0.1; done
          head -c 300000 /dev/urandom >written; cp written mnt/backup/large
          find repo -type d -exec chmod a-w {} +
          $kura flush mnt >/dev/null 2>&1 || echo flush $?
          grep -o "\\"state\\": \\"[a-z]*\\"" mnt/.kura/status; grep -ciE "permission|denied|EACCES" mnt/.kura/errors
          cmp written mnt/backup/large; echo more >mnt/backup/meanwhile
          find repo -type d -exec chmod u+w {} +
          $kura flush mnt >/dev/null 2>&1; echo flush $?
          cmp written mnt/*@*/backup/latest/large; cat mnt/*@*/backup/latest/meanwhile
          $kura unmount mnt 2>/dev/null; wait $pid; echo status $?'`
      const { stdout } = await run('unshare', ['-m', 'sh', '-euc', script])
      expect(stdout.split('\n')).toEqual(['flush 1', '"state": "failed"', '1', 'flush 0', 'more', 'status 0', ''])
    })
  },
)
