import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openOverlays } from '#mount/backup/open-overlay.ts'
import { flushKept } from '#mount/flush/kept.ts'
import { inspectStaging, listStagings } from '#mount/staging/inspect.ts'
import { listSnapshots } from '#snapshot/model/snapshots.ts'
import { KuraHome } from '../support/kura.ts'
import { openFolder } from '../support/open-fixture.ts'
import { runFsck } from '../support/referee.ts'
import { repositoryRoot } from '../support/shared.ts'
import { ended } from '../support/wait.ts'

/** By hand: KURA_FLUSH_STEPS=all kills at every single one. */
const wantedSteps = process.env['KURA_FLUSH_STEPS'] === 'all' ? Number.MAX_SAFE_INTEGER : Number(process.env['KURA_FLUSH_STEPS'] ?? 16)
const source = { user: 'user', host: 'host', path: '/steps' }
const owner = { uid: 0, gid: 0 }
const client = { username: 'user', hostname: 'host', readOnly: false }

/** The twins do with Node's own calls what the addon does: so each can be counted. */
const home = new KuraHome('test-password', { KURA_NATIVE: '0' })
const [repo, spool, pristine] = [home.path('repo'), home.path('spool'), home.path('pristine')]
/** What an undisturbed flush makes of it. */
let wantedRoot = ''
let steps: string[] = []

/** `kura staging flush`, ended right before its n-th change of repository or spool (0: not at all). */
async function flushDyingAt(n: number): Promise<NodeJS.Signals | number | null> {
  const preload = pathToFileURL(join(repositoryRoot, 'test/mount/support/die-at.mjs')).href
  const args = ['--import', preload, join(repositoryRoot, 'dist/kura'), 'staging', 'flush', '--spool', spool]
  const env = { ...home.env, DIE_AT: String(n), DIE_BELOW: `${repo}:${spool}`, DIE_COUNT: home.path('count') }
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'ignore'] })
  await ended(child)
  return child.signalCode ?? child.exitCode
}

const rootsNow = async (): Promise<(string | undefined)[]> => {
  await using repository = await openFolder(repo, 'test-password')
  return (await listSnapshots(repository, { source: { ...source } })).map((s) => s.rootEntry?.objectId)
}

function restorePristine(): void {
  for (const [from, to] of [
    ['repo', repo],
    ['spool', spool],
  ] as const) {
    rmSync(to, { recursive: true, force: true })
    cpSync(join(pristine, from), to, { recursive: true, preserveTimestamps: true })
  }
}

/** Files below the changes; then new, changed, moved and removed ones, small and large, in the spool. */
async function stage(): Promise<void> {
  const folder = home.path('folder')
  mkdirSync(join(folder, 'old/deep'), { recursive: true })
  for (const name of ['kept', 'old/a', 'old/deep/b', 'gone']) writeFileSync(join(folder, name), `${name} `.repeat(1000))
  await home.ok('snapshot', 'create', folder, '--override-source', 'user@host:/steps')
  await using repository = await openFolder(repo, 'test-password', { client })
  const repositoryId = repository.uniqueId.toString('hex')
  const common = { timeoutMs: 60_000, maxCachedBytes: 1 << 20, warn: () => undefined, spoolReserveBytes: 0 }
  const options = {
    ...common,
    sources: ['user@host:/steps'],
    repositoryId,
    spoolDirectory: spool,
    xattrs: 'refuse',
    takeOver: false,
  } as const
  const [overlay] = await openOverlays(repository, options)
  if (overlay === undefined) throw new Error('no overlay')
  const { staging } = overlay
  const { root } = staging
  const old = (await staging.lookup(root, 'old')) as number
  await staging.write((await staging.lookup(old, 'a')) as number, 5, Buffer.from('changed'), false)
  await staging.rename(old, 'deep', root, 'moved', 0)
  await staging.unlink(root, 'gone')
  const made = await staging.make(root, 'new', 0o040755, owner)
  for (let i = 0; i < 5; i++)
    await staging.write(await staging.make(made, `small${i}`, 0o100644, owner), 0, Buffer.alloc(900 * i, i), false)
  await staging.write(await staging.make(made, 'large', 0o100644, owner), 0, Buffer.alloc(700_000, 'large'), false)
  await staging.close()
}

beforeAll(async () => {
  await home.ok('repository', 'create', 'filesystem', '--path', repo)
  await home.ok('repository', 'set-client', '--username', 'user', '--hostname', 'host')
  await stage()
  cpSync(repo, join(pristine, 'repo'), { recursive: true, preserveTimestamps: true })
  cpSync(spool, join(pristine, 'spool'), { recursive: true, preserveTimestamps: true })
  expect(await flushDyingAt(0)).toBe(0)
  steps = readFileSync(home.path('count'), 'utf8').trim().split('\n')
  const roots = await rootsNow()
  expect(roots).toHaveLength(2)
  wantedRoot = roots.at(-1) ?? ''
})
afterAll(() => home.remove())

test('a flush that is killed before any of its steps is done by the next one, and the repository stays sound', async () => {
  // Blobs, the journal and the spool are all among them.
  for (const what of [/^rename .*\/repo\//, /\/p[0-9a-f/]+\S*\.tmp/, /^write\w* .*journal/, /^f?d?a?t?a?sync\w* /i])
    expect(steps.filter((s) => what.test(s))).not.toEqual([])
  const every = Math.max(1, Math.ceil(steps.length / wantedSteps))
  for (let n = 1; n <= steps.length; n += every) {
    restorePristine()
    const step = `before step ${n} of ${steps.length}, ${steps[n - 1]}`
    expect(await flushDyingAt(n), step).toBe('SIGKILL')
    const before = (await rootsNow()).at(-1)
    const [directory = ''] = listStagings(spool)
    const report = inspectStaging(directory)
    // What is not in a snapshot is in the spool.
    if (before !== wantedRoot) expect(report.dirtyNodes, step).toBeGreaterThan(0)
    const warnings: string[] = []
    await using repository = await openFolder(repo, 'test-password', { client })
    const repositoryId = repository.uniqueId.toString('hex')
    const warn = (line: string): number => warnings.push(line)
    const done = await flushKept(repository, report, { repositoryId, rebase: false, takeOver: false, keepRubbish: false, warn })
    expect(done.snapshot.rootEntry?.objectId, step).toBe(wantedRoot)
    expect(inspectStaging(directory).dirtyNodes, step).toBe(0)
    if (Math.floor(n / every) % 6 !== 0) continue
    const { output } = await runFsck(repo, 'test-password', '--allow-sessions')
    expect(output.split('\n').filter((l) => l.startsWith('VIOLATION') && !/foreign file .*\.tmp\./.test(l))).toEqual([])
    expect(output).toContain('fsck: ')
  }
})
