import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { runLine } from '#cli/run.ts'
import { runFsck } from '../support/referee.ts'
import { scratchFolders } from '../support/scratch.ts'
import { CapturedIo } from './captured-io.ts'

const scratch = scratchFolders()
const dangerous = '--dangerous-commands=enabled'
let home: string
let env: Record<string, string>

async function kura(...words: string[]) {
  const io = new CapturedIo()
  const status = await runLine(['--disable-file-logging', ...words], { io, env })
  return { status, out: io.output, err: io.errors }
}

async function ok(...words: string[]) {
  const run = await kura(...words)
  expect(run.status === 0 ? '' : run.err, words.join(' ')).toBe('')
  return run
}

const lines = async (...words: string[]): Promise<string[]> => (await ok(...words)).out.trim().split('\n').filter(Boolean)
const blobs = async (prefix: string): Promise<string[]> =>
  (await lines('blob', 'list', `--prefix=${prefix}`)).map((l) => l.split(' ')[0] as string)
const snapshot = () => ok('snapshot', 'create', join(home, 'docs'), '--no-auto-maintenance')

async function newRepository(version: number): Promise<void> {
  home = scratch()
  env = { KOPIA_CONFIG_PATH: join(home, 'repository.config'), KOPIA_PASSWORD: 'secret', KOPIA_LOG_DIR: join(home, 'logs'), TZ: 'UTC' }
  mkdirSync(join(home, 'docs'))
  const flags = ['--override-username=ann', '--override-hostname=pc', `--cache-directory=${join(home, 'cache')}`]
  await ok('repo', 'create', 'filesystem', `--path=${join(home, 'repository')}`, `--format-version=${version}`, ...flags)
  for (let i = 0; i < 4; i++) {
    writeFileSync(join(home, 'docs', `file${i}`), `${i} `.repeat(100 * (i + 1)))
    await snapshot()
  }
}

const fsck = async (...flags: string[]): Promise<void> => {
  const report = await runFsck(join(home, 'repository'), 'secret', ...flags)
  expect(report.status === 0 ? '' : report.output).toBe('')
}

describe.each([
  ['without epochs', 1],
  ['with epochs', 3],
])('a repository %s', (_, version) => {
  beforeAll(() => newRepository(version))

  test('is in order after maintenance, which merges packs and says what it did', async () => {
    const before = await blobs('p')
    expect(before.length).toBe(4)
    const quick = await ok('maintenance', 'run')
    expect(quick).toMatchObject({ out: '' })
    expect(quick.err).toContain('Running quick maintenance...')
    await fsck()
    const full = await ok('maintenance', 'run', '--full', '--safety=none')
    expect(full.err.match(/^GC (found|undeleted) /gm)).toHaveLength(5)
    expect(full.err).toMatch(/^Freed [1-9].* KB\.$/m)
    expect(full.err).toContain('Finished full maintenance.')
    expect(await blobs('p')).toHaveLength(1)
    await ok('content', 'verify', '--full')
    await ok('snapshot', 'verify', '--verify-files-percent=100')
    await fsck()
  })

  test('tells what a deleted snapshot holds, gives it back, and keeps the rest', async () => {
    writeFileSync(join(home, 'docs', 'large'), Buffer.alloc(200_000, 'abc'))
    await snapshot()
    const { id } = JSON.parse((await ok('snapshot', 'list', '--json')).out).at(-1) as { id: string }
    const contents = (await lines('content', 'list')).length
    const deleted = await ok('snapshot', 'delete', id, '--delete', '--no-auto-maintenance')
    expect(deleted.err).toMatch(/200\.\d KB in \d+ contents are needed by nothing else, .* by other snapshots too/)
    await ok('maintenance', 'run', '--full', '--safety=none')
    expect((await lines('content', 'list')).length).toBeLessThan(contents)
    await ok('snapshot', 'verify', '--verify-files-percent=100')
    await fsck()
  })

  test('content rewrite writes what is chosen into new packs, and blob gc removes the old ones', async () => {
    expect((await kura('content', 'rewrite')).err).toContain('--dangerous-commands=enabled')
    const before = await blobs('p')
    const dry = await ok('content', 'rewrite', dangerous, '--safety=none', '--pack-prefix=p', '-n')
    expect(dry.err).toContain('Would rewrite content ')
    expect(await blobs('p')).toEqual(before)
    expect((await ok('content', 'rewrite', dangerous, '--pack-prefix=p')).err).toContain('Rewrote 0 contents')
    await ok('content', 'rewrite', dangerous, '--safety=none', '--pack-prefix=p')
    expect((await blobs('p')).length).toBe(before.length + 1)
    expect((await kura('content', 'rewrite', dangerous, '00'.repeat(16))).status).toBe(1)
    await ok('blob', 'gc', dangerous, '--delete=yes')
    const told = await ok('blob', 'gc', dangerous, '--safety=none')
    expect(told.err).toContain('Pass --delete=yes')
    expect((await blobs('p')).length).toBe(before.length + 1)
    await ok('blob', 'gc', dangerous, '--safety=none', '--delete=yes')
    const after = await blobs('p')
    expect(after).toHaveLength(1)
    expect(before).not.toContain(after[0])
    await ok('content', 'verify', '--full')
    await fsck()
  })

  test('index optimize merges index blobs and can drop what is deleted', async () => {
    await snapshot()
    expect((await kura('index', 'optimize')).status).toBe(1)
    await ok('index', 'optimize', dangerous, '--all', '--drop-deleted-older-than=1ns')
    if (version === 1) expect(await lines('index', 'list')).toHaveLength(1)
    else expect((await blobs('xw')).length).toBeGreaterThan(0)
    await ok('snapshot', 'verify', '--verify-files-percent=100')
    await fsck()
  })

  test('cache sync and prefetch succeed and say how much was there', async () => {
    await ok('cache', 'sync')
    const { rootEntry } = JSON.parse((await ok('snapshot', 'list', '--json')).out).at(-1) as { rootEntry: { obj: string } }
    expect((await ok('cache', 'prefetch', `${rootEntry.obj}/file0`, '--hint=contents')).err).toContain('prefetched 1 contents')
  })

  test('blob shards modify spreads the blobs anew, after a dry run that changes nothing', async () => {
    const path = join(home, 'repository')
    const flags = [
      '--i-am-sure-kopia-is-not-running',
      `--path=${path}`,
      '--default-shards=flat',
      '--override=p=2,2',
      '--unsharded-length=5',
    ]
    const shards = readFileSync(join(path, '.shards'), 'utf8')
    const dry = await ok('blob', 'shards', 'modify', ...flags, '--dry-run')
    expect(dry.out).toMatch(/^mv \S+ \S+\.f$/m)
    expect(readFileSync(join(path, '.shards'), 'utf8')).toBe(shards)
    const real = await ok('blob', 'shards', 'modify', ...flags)
    expect(real.out.split('\n').filter((l) => l.startsWith('mv '))).toEqual(dry.out.trim().split('\n'))
    expect(real.out).toMatch(/^rmdir \S+$/m)
    expect(existsSync(join(path, 'kopia.repository.f'))).toBe(true)
    expect(readdirSync(path).filter((n) => n.startsWith('p') && statSync(join(path, n)).isDirectory())[0]).toHaveLength(2)
    expect(JSON.parse(readFileSync(join(path, '.shards'), 'utf8'))).toEqual({
      default: [],
      maxNonShardedLength: 5,
      overrides: [{ prefix: 'p', shards: [2, 2] }],
    })
    await ok('snapshot', 'verify', '--verify-files-percent=100')
    await fsck()
    expect(
      (await kura('blob', 'shards', 'modify', '--i-am-sure-kopia-is-not-running', `--path=${path}`, '--default-shards=-1')).status,
    ).toBe(1)
  })
})

test('maintenance runs by itself after a command that has written, and not when told not to', async () => {
  home = scratch()
  env = { KOPIA_CONFIG_PATH: join(home, 'repository.config'), KOPIA_PASSWORD: 'secret', KOPIA_LOG_DIR: join(home, 'logs'), TZ: 'UTC' }
  mkdirSync(join(home, 'docs'))
  await ok('repo', 'create', 'filesystem', `--path=${join(home, 'repository')}`, '--no-check-for-updates')
  const runs = async (): Promise<string[]> => {
    const { schedule } = JSON.parse((await ok('maintenance', 'info', '--json')).out) as {
      schedule: { runs: Record<string, unknown> | null }
    }
    return Object.keys(schedule.runs ?? {})
  }
  await snapshot()
  expect(await runs()).toEqual([])
  const created = await ok('snapshot', 'create', join(home, 'docs'))
  expect(created.err).toContain('Running full maintenance...')
  expect(await runs()).toContain('snapshot-gc')
  expect((await ok('snapshot', 'create', join(home, 'docs'))).err).not.toContain('maintenance')
})
