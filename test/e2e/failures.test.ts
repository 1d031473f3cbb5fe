import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KuraHome, type KuraRun } from '../support/kura.ts'
import { runFsck } from '../support/referee.ts'
import { repositoryRoot } from '../support/shared.ts'
import { contentBytes } from '../support/source-tree.ts'
import { listAsRestored, listTree } from '../support/tree-listing.ts'
import { ended, until } from '../support/wait.ts'

const isRoot = process.getuid?.() === 0
const home = new KuraHome()
const source = home.path('source')
const repository = home.path('repository')

beforeAll(async () => {
  mkdirSync(join(source, 'sub'), { recursive: true })
  writeFileSync(join(source, 'small.txt'), 'small\n')
  writeFileSync(join(source, 'sub/data.bin'), contentBytes({ gen: 'random', seed: 77, size: 2_000_000 }))
  await home.ok('repository', 'create', 'filesystem', '--path', repository)
  await home.ok('snapshot', 'create', source)
})
afterAll(() => home.remove())

/** One clear line, no call stack, exit status 1. */
function expectPlainFailure(run: KuraRun, words: RegExp): void {
  expect(run.status).toBe(1)
  expect(run.stderr).toMatch(words)
  expect(run.stderr).not.toMatch(/internal error|\n\s+at /)
  expect(run.stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(2)
}

describe('opening', () => {
  test('a wrong password is called that, and leaves no connection', async () => {
    const other = new KuraHome('wrong')
    expectPlainFailure(await other.run('repository', 'connect', 'filesystem', '--path', repository), /invalid repository password/)
    expectPlainFailure(await other.run('snapshot', 'list'), /not connected/)
    other.remove()
  })

  test('a wrong password on an existing connection changes nothing', async () => {
    expectPlainFailure(await home.run('snapshot', 'list', '--password=nonsense'), /invalid repository password/)
    await home.ok('snapshot', 'list')
  })

  test('what is no repository', async () => {
    const other = new KuraHome()
    const empty = other.path('empty')
    mkdirSync(empty)
    expectPlainFailure(await other.run('repository', 'connect', 'filesystem', '--path', empty), /not initialized/)
    expectPlainFailure(await other.run('repository', 'connect', 'filesystem', '--path', other.path('missing')), /missing/)
    writeFileSync(join(empty, 'kopia.repository.f'), 'no JSON')
    expectPlainFailure(await other.run('repository', 'connect', 'filesystem', '--path', empty), /kopia\.repository|format blob/)
    other.remove()
  })

  test('a repository is not created over another', async () => {
    const other = new KuraHome()
    expectPlainFailure(await other.run('repository', 'create', 'filesystem', '--path', repository), /existing data|already/)
    other.remove()
    await home.ok('snapshot', 'list')
  })

  test('a read-only connection takes no snapshot', async () => {
    const other = new KuraHome()
    await other.ok('repository', 'connect', 'filesystem', '--path', repository, '--readonly')
    const run = await other.run('snapshot', 'create', source)
    expect(run.status).toBe(1)
    expect(run.stderr).toMatch(/read-only|reading only/)
    expect(run.stderr).not.toMatch(/internal error|\n\s+at /)
    other.remove()
  })

  test('a cache folder that cannot be used costs speed, not the command', async () => {
    const other = new KuraHome('test-password', { KOPIA_CACHE_DIRECTORY: join(source, 'small.txt/cache') })
    await other.ok('repository', 'connect', 'filesystem', '--path', repository)
    expect(await other.ok('snapshot', 'list', '--all')).toContain(source)
    await other.ok('restore', `${(await roots(other))[0]}`, other.path('target'))
    other.remove()
  })

  test('a mistyped command or flag', async () => {
    expectPlainFailure(await home.run('snapshto', 'create', source), /snapshto/)
    expectPlainFailure(await home.run('snapshot', 'create', source, '--no-such-flag'), /no-such-flag/)
    expectPlainFailure(await home.run('snapshot', 'create', join(source, 'nowhere')), /nowhere/)
  })
})

const roots = async (who: KuraHome): Promise<string[]> =>
  (JSON.parse(await who.ok('snapshot', 'list', '--all', '--json')) as { rootEntry: { obj: string } }[]).map((s) => s.rootEntry.obj)

const packs = (place: string): string[] =>
  readdirSync(join(place, 'p'), { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name))

describe('storage', () => {
  test('a pack that has vanished is uploaded again by the next snapshot', async () => {
    for (const pack of packs(repository)) rmSync(pack)
    const broken = await home.run('restore', (await roots(home))[0] ?? '', home.path('broken'))
    expect(broken.status).toBe(1)
    expect(broken.stderr).not.toMatch(/internal error/)
    await home.ok('snapshot', 'create', source)
    const target = home.path('mended')
    await home.ok('restore', source, target)
    expect(listTree(target)).toEqual(listAsRestored(source))
    expect((await runFsck(repository, 'test-password')).output).not.toContain('VIOLATION')
  })

  test.runIf(isRoot)('a full disk ends the snapshot with a clear line; with room again the next run completes', async () => {
    const other = new KuraHome()
    const disk = other.path('disk')
    mkdirSync(disk)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'kura-test', disk])
    try {
      const from = other.path('from')
      mkdirSync(from)
      for (let i = 0; i < 30; i++) writeFileSync(join(from, `file-${i}`), contentBytes({ gen: 'random', seed: 100 + i, size: 1_000_000 }))
      await other.ok('repository', 'create', 'filesystem', '--path', join(disk, 'repository'))
      expectNoSpace(await other.run('snapshot', 'create', from))
      expect(JSON.parse(await other.ok('snapshot', 'list', '--all', '--json'))).toEqual([])
      execFileSync('mount', ['-o', 'remount,size=100m', disk])
      await other.ok('snapshot', 'create', from)
      await other.ok('restore', from, other.path('target'))
      expect(listTree(other.path('target'))).toEqual(listAsRestored(from))
      const { output } = await runFsck(join(disk, 'repository'), 'test-password', '--allow-sessions')
      expect(output.split('\n').filter((l) => l.startsWith('VIOLATION') && !/\.tmp\.[0-9a-f]{16}$/.test(l))).toEqual([])
    } finally {
      execFileSync('umount', ['-l', disk])
      other.remove()
    }
  })
})

function expectNoSpace(run: KuraRun): void {
  expect(run.status).toBe(1)
  expect(run.stderr).toMatch(/no space left|ENOSPC|disk is full|full/i)
  expect(run.stderr).not.toMatch(/internal error|\n\s+at /)
}

describe('sources that cannot be read in full', () => {
  test.runIf(isRoot && existsSync('/dev/fuse'))('a dead mount in an ignored folder does not matter; elsewhere it is named', async () => {
    const from = home.path('with-mount')
    for (const folder of ['ignored/mount', 'fine']) mkdirSync(join(from, folder), { recursive: true })
    writeFileSync(join(from, 'fine/file'), 'fine')
    const point = join(from, 'ignored/mount')
    const daemon = home.start('mount', 'all', point)
    daemon.stdout?.resume()
    daemon.stderr?.resume()
    const end = ended(daemon)
    await until('the mount', () => readdirSync(point).length > 0)
    daemon.kill('SIGKILL')
    await end
    try {
      expect(() => readdirSync(point)).toThrow(/ENOTCONN/)
      await home.ok('policy', 'set', from, '--add-ignore=/ignored/')
      await home.ok('snapshot', 'create', from)
      await home.ok('policy', 'set', from, '--remove-ignore=/ignored/')
      const run = await home.run('snapshot', 'create', from)
      expect(run.status).toBe(1)
      expect(run.stderr).toContain('ignored/mount')
      expect(run.stderr).toContain('Found 1 fatal error(s)')
      await home.ok('restore', from, home.path('with-mount-restored'))
      expect(readFileSync(home.path('with-mount-restored', 'fine/file'), 'utf8')).toBe('fine')
    } finally {
      execFileSync('umount', ['-l', point])
    }
  })

  test.runIf(isRoot)('as an ordinary user: unreadable entries are named, the rest is saved; ignored ones do not matter', async () => {
    const person = new KuraHome()
    const from = person.path('from')
    for (const folder of ['open', 'closed', 'ignored']) mkdirSync(join(from, folder), { recursive: true })
    writeFileSync(join(from, 'open/file'), 'open')
    writeFileSync(join(from, 'secret'), 'secret')
    writeFileSync(join(from, '.kopiaignore'), '/ignored/\n')
    execFileSync('chown', ['-R', '65534:65534', person.root])
    for (const path of ['closed', 'ignored', 'secret']) {
      chownSync(join(from, path), 0, 0)
      chmodSync(join(from, path), 0o700)
    }
    const asNobody = (...args: string[]): Promise<KuraRun> => {
      const child = spawn(process.execPath, [join(repositoryRoot, 'dist/kura'), ...args], {
        env: { ...person.env, HOME: person.root },
        uid: 65534,
        gid: 65534,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let [stdout, stderr] = ['', '']
      child.stdout.on('data', (chunk: Buffer) => {
        stdout += chunk.toString()
      })
      child.stderr.on('data', (chunk: Buffer) => {
        stderr += chunk.toString()
      })
      return ended(child).then(() => ({ status: child.exitCode, signal: child.signalCode, stdout, stderr }))
    }
    expect(await asNobody('repository', 'create', 'filesystem', '--path', join(person.root, 'repository'))).toMatchObject({ status: 0 })
    const run = await asNobody('snapshot', 'create', from)
    expect(run.status).toBe(1)
    expect(run.stderr).toContain('Found 2 fatal error(s)')
    expect(run.stderr).toContain('closed')
    expect(run.stderr).toContain('secret')
    expect(run.stderr).not.toMatch(/"ignored|ignored:/)
    const target = join(person.root, 'target')
    expect(await asNobody('restore', from, target)).toMatchObject({ status: 0 })
    expect(readdirSync(target).sort()).toEqual(['.kopiaignore', 'open'])
    await asNobody('policy', 'set', from, '--ignore-file-errors=true', '--ignore-dir-errors=true')
    const ignoring = await asNobody('snapshot', 'create', from)
    expect(ignoring.status).toBe(0)
    expect(ignoring.stderr).toContain('Ignored 2 error(s)')
    person.remove()
  })
})
