import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import { scratchFolders } from '../support/scratch.ts'
import { patienceMs, until } from '../support/wait.ts'
import { isFuseNativeThere, isMounted, liveMounts, run, whyNoLiveMounts } from './support/live.ts'
import { noise } from './support/source-tree.ts'

const scratch = scratchFolders()
let source = ''

beforeAll(() => {
  source = scratch()
  mkdirSync(join(source, 'folder'))
  writeFileSync(join(source, 'folder/file'), 'content\n')
  writeFileSync(join(source, 'big'), noise(40 << 20, 9))
})

const why = whyNoLiveMounts

describe.skipIf(why !== undefined)(`the life of a mount${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  const serve = liveMounts()
  const ways: [string, (mountPoint: string, kill: (signal: NodeJS.Signals) => void, order: (o: object) => void) => Promise<unknown>][] = [
    ['SIGINT', async (_m, kill) => kill('SIGINT')],
    ['SIGTERM', async (_m, kill) => kill('SIGTERM')],
    ['umount', (m) => run('umount', [m])],
    ['fusermount3 -u', (m) => run('fusermount3', ['-u', m])],
    ['unmountAt', async (_m, _k, order) => order({ do: 'unmount' })],
  ]

  test.each(ways)('ends by %s, and the process with it', async (_name, end) => {
    const mount = await serve({ folder: source })
    expect(readFileSync(join(mount.tree, 'folder/file'), 'utf8')).toBe('content\n')
    await end(
      mount.mountPoint,
      (s) => mount.process.kill(s),
      (o) => mount.order(o),
    )
    expect(await mount.exited).toBe(0)
    expect(isMounted(mount.mountPoint)).toBe(false)
    expect(readdirSync(mount.mountPoint)).toEqual([])
  })

  const kinds: [string, string, string][] = [
    ['kernel driver with the addon', 'kernel', '1'],
    ['kernel driver without the addon', 'kernel', '0'],
    ...(isFuseNativeThere ? [['fuse-native', 'fuse-native', '1'] as [string, string, string]] : []),
  ]

  test.each(kinds)('ends under load without hanging: %s', async (_name, driver, native) => {
    const mount = await serve({ folder: source, driver, env: { KURA_NATIVE: native }, options: { maxCachedBytes: 8 << 20 } })
    const loop = `while cat '${mount.tree}/big' > /dev/null 2>&1 && find '${mount.mountPoint}' > /dev/null 2>&1; do :; done`
    const readers = Array.from({ length: 4 }, () => spawn('sh', ['-c', loop], { stdio: 'ignore' }))
    const ended = Promise.all(readers.map((r) => new Promise((resolve) => r.once('exit', resolve))))
    await sleep(500)
    mount.process.kill('SIGINT')
    const limit = sleep(patienceMs, 'too slow', { ref: false })
    expect(await Promise.race([Promise.all([mount.exited, ended]).then(() => 'ended'), limit])).toBe('ended')
    expect(isMounted(mount.mountPoint)).toBe(false)
  })

  test.each(['1', '0'])('does not keep a process that exits without unmounting (KURA_NATIVE=%s)', async (native) => {
    const mount = await serve({ folder: source, env: { KURA_NATIVE: native } })
    const reader = spawn('sh', ['-c', `while cat '${mount.tree}/big' > /dev/null 2>&1; do :; done`], { stdio: 'ignore' })
    await sleep(200)
    mount.order({ do: 'exit' })
    expect(await Promise.race([mount.exited, sleep(patienceMs, 'too slow', { ref: false })])).toBe(4)
    await new Promise((resolve) => (reader.exitCode === null ? reader.once('exit', resolve) : resolve(0)))
  })

  test('with files in use is detached at once, and ends when they are closed', async () => {
    const mount = await serve({ folder: source })
    const holder = spawn('sh', ['-c', 'exec 5< big; echo; read x'], { cwd: mount.tree, stdio: ['pipe', 'pipe', 'ignore'] })
    await new Promise((resolve) => holder.stdout.once('data', resolve))
    mount.process.kill('SIGINT')
    expect((await mount.event('warn')).line).toContain('in use')
    await until('the mount to be detached', () => !isMounted(mount.mountPoint))
    expect(mount.process.exitCode).toBeNull()
    holder.stdin.end('\n')
    expect(await mount.exited).toBe(0)
  })

  test('replaces a mount whose process was killed', async () => {
    const first = await serve({ folder: source })
    first.process.kill('SIGKILL')
    await first.exited
    expect((await run('ls', [first.mountPoint])).stderr).toContain('not connected')
    const second = await serve({ folder: source, mountPoint: first.mountPoint })
    expect((await second.event('warn')).line).toContain('removed')
    expect(readFileSync(join(second.tree, 'folder/file'), 'utf8')).toBe('content\n')
    second.process.kill('SIGINT')
    expect(await second.exited).toBe(0)
    expect(isMounted(first.mountPoint)).toBe(false)
  })

  test('refuses mount points that are none', async () => {
    const place = scratch()
    writeFileSync(join(place, 'file'), '')
    const failing = async (mountPoint: string): Promise<string> => {
      const error = await serve({ folder: source, mountPoint }).then(
        () => new Error('it mounted'),
        (e: Error) => e,
      )
      return error.message
    }
    expect(await failing(place)).toContain('not empty')
    expect(await failing(join(place, 'file'))).toContain('not a directory')
    expect(await failing(join(place, 'missing'))).toContain('does not exist')
    const mount = await serve({ folder: source })
    expect(await failing(mount.mountPoint)).toContain('already mounted')
    expect(await serve({ folder: source, mountPoint: place, options: { allowNonEmpty: true } })).toBeDefined()
  })

  test('makes and removes a temporary mount point for *', async () => {
    const mount = await serve({ folder: source, mountPoint: '*' })
    const { mountPoint } = (await mount.event('mounted')) as unknown as { mountPoint: string }
    expect(readdirSync(mountPoint)).toEqual(['user@host'])
    mount.process.kill('SIGINT')
    await mount.exited
    expect(isMounted(mountPoint)).toBe(false)
    expect(() => readdirSync(mountPoint)).toThrow('ENOENT')
  })

  test('of an ordinary user goes through fusermount3 and shows that user everything', async () => {
    const open = mkdtempSync(join(tmpdir(), 'kura-nobody-'))
    try {
      chmodSync(open, 0o755)
      writeFileSync(join(open, 'secret'), 'mine\n')
      execFileSync('chmod', ['644', join(open, 'secret')])
      const mount = await serve({ folder: open, asNobody: true })
      const inside = (command: string) =>
        run('nsenter', [
          '-t',
          `${mount.process.pid}`,
          '-m',
          'setpriv',
          '--reuid=65534',
          '--regid=65534',
          '--clear-groups',
          'sh',
          '-c',
          command,
        ])
      expect(await inside(`cat '${mount.tree}/secret'; id -u`)).toEqual({ status: 0, stdout: 'mine\n65534\n', stderr: '' })
      expect((await inside(`grep ' ${mount.mountPoint} ' /proc/self/mountinfo`)).stdout).toContain('fuse.kura kura ro')
      mount.process.kill('SIGINT')
      expect(await mount.exited).toBe(0)
    } finally {
      rmSync(open, { recursive: true, force: true })
    }
  })
})
