import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleepFor } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allIds } from '#repo/content/content-info.ts'
import { listSnapshots } from '#snapshot/model/snapshots.ts'
import { KuraHome } from '../support/kura.ts'
import { openFolder } from '../support/open-fixture.ts'
import { runFsck } from '../support/referee.ts'
import { contentBytes } from '../support/source-tree.ts'
import { ended } from '../support/wait.ts'

const password = 'test-password'
const rounds = Number(process.env['KURA_CRASH_ROUNDS'] ?? 200)
const seed = Number(process.env['KURA_CRASH_SEED'] ?? 1)
/** After so many kills the repository is looked at, the snapshot is completed, and all begins anew. */
const killsPerGroup = 10
const smallFiles = 300
const largeBytes = 40_000_000

const home = new KuraHome(password)
afterAll(() => home.remove())

/** Mulberry32: the same moments for the same seed. */
function random(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const source = home.path('source')
const base = home.path('base')

function writeSource(state: number): void {
  for (let i = 0; i < smallFiles; i++) {
    const folder = join(source, `folder-${i % 20}`)
    mkdirSync(folder, { recursive: true })
    // Two of three files are the same in both states.
    const version = i % 3 === 0 ? state : 0
    writeFileSync(join(folder, `file-${i}`), contentBytes({ gen: 'random', seed: i * 2 + version, size: 500 + i * 40 }))
  }
  if (state === 1) writeFileSync(join(source, 'large.bin'), contentBytes({ gen: 'random', seed: 999, size: largeBytes }))
}

interface Created {
  readonly id: string
  readonly rootEntry: { readonly obj: string }
}

async function created(who: KuraHome, ...flags: string[]): Promise<Created> {
  const started = performance.now()
  const text = await who.ok('snapshot', 'create', source, '--json', ...flags)
  runMs = performance.now() - started
  return JSON.parse(text) as Created
}

/** The first, finished snapshot, and what an undisturbed run makes of the changed source. */
let finished: Created
let wanted: string
/** How long the last undisturbed run took. */
let runMs: number

beforeAll(async () => {
  writeSource(0)
  await home.ok('repository', 'create', 'filesystem', '--path', base)
  // Pinned: runs that end before they are killed make snapshots too, and the oldest would expire.
  finished = await created(home, '--pin=first')
  writeSource(1)
  const copy = home.path('undisturbed')
  cpSync(base, copy, { recursive: true, preserveTimestamps: true })
  const other = await connected(copy)
  wanted = (await created(other)).rootEntry.obj
  other.remove()
  rmSync(copy, { recursive: true })
})

async function connected(path: string): Promise<KuraHome> {
  const who = new KuraHome(password)
  await who.ok('repository', 'connect', 'filesystem', '--path', path)
  return who
}

/** Kills a run after the given time; true when it was in time. */
async function killedRun(who: KuraHome, afterMs: number): Promise<boolean> {
  const child = who.start('snapshot', 'create', source)
  child.stdout?.resume()
  child.stderr?.resume()
  const end = ended(child)
  const killer = new AbortController()
  const kill = sleepFor(afterMs, undefined, { signal: killer.signal }).then(
    () => child.kill('SIGKILL'),
    () => false,
  )
  await end
  killer.abort()
  await kill
  if (child.signalCode === 'SIGKILL') return true
  runMs = Math.min(runMs, afterMs)
  return false
}

/** Every finished snapshot is there, and every content that an index names can be read. */
async function expectUnhurt(path: string): Promise<number> {
  const warnings: string[] = []
  await using repository = await openFolder(path, password, { warn: (text) => warnings.push(text) })
  const snapshots = await listSnapshots(repository)
  expect(snapshots.map((s) => s.id)).toContain(finished.id)
  for (const s of snapshots) if (!s.incomplete) expect([finished.rootEntry.obj, wanted]).toContain(s.rootEntry?.objectId)
  for (const { id } of repository.contents.iterate(allIds, false)) await repository.contents.get(id)
  expect(warnings).toEqual([])
  return snapshots.length
}

/** A write that is cut off leaves its temporary file, which nobody reads and later listings remove (spec 04, 4.3.3). */
const leftOver = /^VIOLATION storage: foreign file \S+\.tmp\.[0-9a-f]{16}$/

async function expectClean(path: string): Promise<void> {
  const { output } = await runFsck(path, password, '--allow-sessions')
  expect(output).toContain('fsck: ')
  expect(output.split('\n').filter((line) => line.startsWith('VIOLATION') && !leftOver.test(line))).toEqual([])
}

test(`kill -9 at ${rounds} moments of "snapshot create" hurts nothing, and the next run completes`, async () => {
  const next = random(seed)
  let killed = 0
  for (let round = 0; round < rounds; ) {
    const path = home.path(`repository-${round}`)
    cpSync(base, path, { recursive: true, preserveTimestamps: true })
    const who = await connected(path)
    const group = Math.min(killsPerGroup, rounds - round)
    for (let i = 0; i < group; i++, round++) if (await killedRun(who, next() * runMs * 1.05)) killed++
    await expectUnhurt(path)
    if (round % (2 * killsPerGroup) === 0) await expectClean(path)
    expect((await created(who)).rootEntry.obj).toBe(wanted)
    await Promise.all([expectClean(path), expectUnhurt(path)])
    who.remove()
    rmSync(path, { recursive: true })
  }
  // Else the moments were not within the run.
  expect(killed).toBeGreaterThan(rounds / 3)
})
