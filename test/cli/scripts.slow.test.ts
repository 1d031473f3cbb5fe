import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { runLine } from '#cli/run.ts'
import { scratchFolders } from '../support/scratch.ts'
import { CapturedIo } from './captured-io.ts'

// What scripts that were written for Kopia rely on; each was found by running its own tests against Kura.

const scratch = scratchFolders()
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

beforeAll(async () => {
  home = scratch()
  env = { KOPIA_CONFIG_PATH: join(home, 'repository.config'), KOPIA_PASSWORD: 'secret', KOPIA_LOG_DIR: join(home, 'logs'), TZ: 'UTC' }
  mkdirSync(join(home, 'docs'))
  const flags = ['--override-username=ann', '--override-hostname=pc', `--cache-directory=${join(home, 'cache')}`]
  await ok('repo', 'create', 'filesystem', `--path=${join(home, 'repository')}`, ...flags)
})

test('cache info lists every folder of the cache with its limits, also of a cache that nothing has filled yet', async () => {
  const flags = ['--content-cache-size-mb=33', '--content-cache-size-limit-mb=331', '--max-list-cache-duration=55s']
  await ok('cache', 'set', `--cache-directory=${join(home, 'new cache')}`, ...flags)
  const { out } = await ok('cache', 'info')
  const row = (name: string) => out.split('\n').find((line) => line.startsWith(`${join(home, 'new cache', name)}: `))
  expect(row('contents')).toMatch(/: 0 files 0 B \(soft limit: 33 MB, hard limit: 331 MB, min sweep age: 10m0s\)$/)
  expect(row('metadata')).toMatch(/hard limit: none, min sweep age: 24h0m0s\)$/)
  expect(row('blob-list')).toMatch(/ \(duration: 55s\)$/)
  expect(row('indexes')).toMatch(/: 0 files 0 B$/)
})

test('repository create from-config takes --file and asks for a token all the same', async () => {
  const run = await kura('repository', 'create', 'from-config', `--file=${join(home, 'none.config')}`)
  expect(run.status).toBe(1)
  expect(run.err).toContain("can't connect to storage: one of --token-file, --token-stdin or --token must be provided")
})

test('blob shards modify takes a specification with empty parts', async () => {
  const path = join(home, 'spread')
  mkdirSync(path)
  writeFileSync(join(path, '.shards'), '{"default":[],"maxNonShardedLength":0}')
  writeFileSync(join(path, 'kopia.repository.f'), '')
  await ok('blob', 'shards', 'modify', `--path=${path}`, '--override=kop=2,,,2', '--i-am-sure-kopia-is-not-running')
  expect(existsSync(join(path, 'ko/pi/a.repository.f'))).toBe(true)
  const bad = await kura('blob', 'shards', 'modify', `--path=${path}`, '--override=kop=,', '--i-am-sure-kopia-is-not-running')
  expect(bad.status).toBe(1)
})

describe('policy import', () => {
  test('of named targets with --delete-other-policies deletes those in the file that were not named', async () => {
    const [one, two] = ['ann@pc:/one', 'ann@pc:/two']
    const file = join(home, 'policies.json')
    writeFileSync(file, JSON.stringify({ '(global)': {}, [one]: { splitter: { algorithm: 'FIXED-8M' } }, [two]: {} }))
    await ok('policy', 'import', `--from-file=${file}`)
    await ok('policy', 'import', `--from-file=${file}`, '--delete-other-policies', '(global)', one)
    expect(Object.keys(JSON.parse((await ok('policy', 'export')).out) as object).sort()).toEqual(['(global)', one])
  })
})

test('storage statistics count the contents of files and folders, and the bytes of files, in the order of the list', async () => {
  const docs = join(home, 'docs')
  mkdirSync(join(docs, 'sub'))
  for (const [name, text] of Object.entries({ one: '11111', two: '22222', 'sub/three': '33333' })) writeFileSync(join(docs, name), text)
  await ok('snapshot', 'create', docs, '--no-auto-maintenance')
  writeFileSync(join(docs, 'sub/same-as-one'), '11111')
  writeFileSync(join(docs, 'sub/four'), '44444444')
  await ok('snapshot', 'create', docs, '--no-auto-maintenance')
  const statsOf = async (...flags: string[]) =>
    (JSON.parse((await ok('snapshot', 'list', '--storage-stats', '--json', docs, ...flags)).out) as { storageStats: object }[]).map(
      (s) => s.storageStats,
    )
  const of = (files: number, folders: number, contents: number, bytes: number) =>
    expect.objectContaining({ fileObjects: files, dirObjects: folders, contents, objectBytes: bytes, originalContentBytes: bytes })
  expect(await statsOf()).toEqual([
    { newData: of(3, 2, 5, 15), runningTotal: of(3, 2, 5, 15) },
    { newData: of(1, 2, 3, 8), runningTotal: of(4, 4, 8, 23) },
  ])
  expect(await statsOf('--reverse')).toEqual([
    { newData: of(4, 2, 6, 23), runningTotal: of(4, 2, 6, 23) },
    { newData: of(0, 2, 2, 0), runningTotal: of(4, 4, 8, 23) },
  ])
})

describe('repository set-parameters', () => {
  test('says that nothing changes when the index version is what it is', async () => {
    const [version] = /(?<=Index Format: *v)\d/.exec((await ok('repository', 'status')).out) ?? []
    expect((await ok('repository', 'set-parameters', `--index-version=${version}`)).err).toContain('no changes')
  })

  test('makes a repository that needs a feature, for test suites alone', async () => {
    const set = (...flags: string[]) => kura('repository', 'set-parameters', ...flags)
    expect((await set('--add-required-feature=flying')).err).toContain("unknown long flag '--add-required-feature'")
    env['KOPIA_TESTONLY_FLAGS'] = '1'
    expect((await set('--add-required-feature=flying')).status).toBe(0)
    expect((await kura('repository', 'status')).err).toContain("does not support feature 'flying'")
    await ok('repository', 'status', '--ignore-missing-required-features')
    expect((await set('--remove-required-feature=flying', '--ignore-missing-required-features')).status).toBe(0)
    expect((await set('--add-required-feature=flying', '--warn-on-missing-required-feature')).status).toBe(0)
    expect((await ok('repository', 'status')).err).toContain("does not support feature 'flying'")
    expect((await set('--remove-required-feature=flying')).status).toBe(0)
    env['KOPIA_TESTONLY_FLAGS'] = ''
    expect((await ok('repository', 'status')).err).not.toContain('flying')
  })
})

test('an upgrade looks again at indexes that an earlier run moved and did not commit, and tells its state meanwhile', async () => {
  const other = { ...env, KOPIA_CONFIG_PATH: join(home, 'old.config'), KOPIA_UPGRADE_LOCK_ENABLED: '1', KOPIA_REPO_UPGRADE_OWNER_ID: 'me' }
  const run = async (...words: string[]) => {
    const io = new CapturedIo()
    const status = await runLine(['--disable-file-logging', ...words], { io, env: other })
    return { status, out: io.output, err: io.errors }
  }
  const path = join(home, 'old')
  expect((await run('repository', 'create', 'filesystem', `--path=${path}`, '--format-version=1')).status).toBe(0)
  const soon = ['--allow-unsafe-upgrade', '--io-drain-timeout=10ms', '--max-permitted-clock-drift=10ms', '--status-poll-interval=10ms']
  expect((await run('repository', 'upgrade', 'begin', ...soon, '--commit-mode=never')).err).toContain('index validation succeeded')
  expect((await run('repository', 'status')).out).toContain('Ongoing upgrade:     Upgrading from format version 1 -> 3')
  const index = join(path, readdirSync(path, { recursive: true, encoding: 'utf8' }).find((n) => /^x.*\/.*\.f$/.test(n)) ?? '')
  const whole = readFileSync(index)
  writeFileSync(index, Buffer.concat([whole.subarray(0, 20), Buffer.from([~(whole[20] ?? 0) & 0xff]), whole.subarray(21)]))
  const again = await run('repository', 'upgrade', 'begin', ...soon)
  expect(again.status).toBe(1)
  expect(again.err).toContain('failed to load index entries for new index: failed to load index blob with BlobID xn0_')
  writeFileSync(index, whole)
  expect((await run('repository', 'upgrade', 'begin', ...soon)).err).toContain('Repository has been successfully upgraded.')
})
