import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { encodeSnapshot } from '#snapshot/model/manifest-json.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { loadSnapshot } from '#snapshot/model/snapshots.ts'
import { emptyPolicy } from '#snapshot/policy/defaults.ts'
import type { Policy } from '#snapshot/policy/policy.ts'
import { policyTreeFor } from '#snapshot/policy/store.ts'
import { uploadTree } from '#snapshot/upload/run.ts'
import { fixtureFacts, unpackFixture } from '../support/fixtures.ts'
import { openFolder } from '../support/open-fixture.ts'
import { buildTree } from '../support/source-tree.ts'
import { everyFixture, type Facts, type SnapshotFacts, type TreeEntry } from './facts.ts'

/** Owners and devices of the trees need root. */
const isRoot = process.getuid?.() === 0

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Version {
  readonly snapshot: SnapshotFacts
  /** The snapshot of the same source before it. */
  readonly before: SnapshotFacts | undefined
  readonly tree: readonly TreeEntry[]
  readonly title: string
}

/** Pairs snapshots with the states of their source; of sources whose policy changed in between only the last state can be made again. */
function versionsOf(facts: Facts): Version[] {
  const deleted = (facts['deletedVersions'] ?? []) as number[]
  const bySource = new Map<string, { tree: readonly TreeEntry[]; version: number }[]>()
  for (const [key, tree] of Object.entries(facts.trees ?? {})) {
    const m = /^(.*) version (\d+)$/.exec(key)
    const source = (m?.[1] ?? key).replace(/^[^/]*:/, '')
    const version = Number(m?.[2] ?? 1)
    if (!deleted.includes(version)) bySource.set(source, [...(bySource.get(source) ?? []), { tree, version }])
  }
  return [...bySource].flatMap(([source, trees]) => {
    const snapshots = (facts.snapshots ?? []).filter((s) => s.source.path === source)
    // One tree for several snapshots: it did not change between them.
    return snapshots.map((snapshot, i) => {
      const { tree, version } = trees[trees.length === 1 ? 0 : i] as { tree: readonly TreeEntry[]; version: number }
      return { snapshot, before: snapshots[i - 1], tree, title: `${source} ${version}` }
    })
  })
}

/** Left out, and why. */
const notAgain: Readonly<Record<string, string>> = {
  errors: 'made by a user who may not read everything',
  history: 'its snapshots were changed afterwards',
  'incomplete-checkpoint': 'killed while it read 16 GiB',
  'upgrade-locked': 'locked by someone else',
  sources: 'tested on its own below',
  'double-indirect': 'tested on its own below',
  incomplete: 'tested on its own below',
  'format-v1': 'tested on its own below',
  'feature-required': 'cannot be opened',
  'upgraded-v1-to-v3': 'snapshots of two formats',
  'upgraded-v1-set-parameters': 'snapshots of two formats',
  'format-v1-index-v2': 'policies changed in between',
}
async function openCopy(name: string): Promise<DirectRepository> {
  const { path, remove } = unpackFixture(name)
  const repository = await openFolder(path, fixtureFacts<Facts>(name).password, { client: { readOnly: false } })
  cleanups.push(remove, () => repository.close())
  return repository
}

function newPlace(): string {
  const place = mkdtempSync(join(tmpdir(), 'kt-'))
  cleanups.push(() => {
    // Folders without permission to list are fine for root only.
    execFileSync('chmod', ['-R', 'u+rwX', place], { stdio: 'ignore' })
    rmSync(place, { recursive: true, force: true })
  })
  return place
}

/** What an upload of the tree gives, as JSON with the names and times that Kopia's snapshot has. */
async function again(
  repository: DirectRepository,
  v: Version,
  localPath: string,
  previous: readonly Snapshot[],
  override?: Policy,
): Promise<Snapshot> {
  const { userName: user, host, path } = v.snapshot.source
  const source = { user, host, path }
  const limit = v.snapshot.incomplete === 'limit reached' ? { uploadLimitBytes: 1 << 20, parallel: 1 } : {}
  const policyTree = await policyTreeFor(repository, source, override)
  const failures: unknown[] = []
  const { snapshot } = await uploadTree(
    repository,
    { source, localPath, policyTree, previous, ...limit },
    { failed: (at, error) => failures.push(`${at}: ${String(error)}`) },
  )
  expect(failures).toEqual([])
  return snapshot
}

const rootOf = (s: SnapshotFacts) => ({ ...s.rootEntry, name: '' })
const rootAgain = (s: Snapshot) => ({ ...(JSON.parse(encodeSnapshot(s)) as SnapshotFacts).rootEntry, name: '' })
const statsAgain = (s: Snapshot) => (JSON.parse(encodeSnapshot(s)) as SnapshotFacts).stats

const again52 = everyFixture.filter((name) => !notAgain[name] && fixtureFacts<Facts>(name).trees)

describe.runIf(isRoot).each(again52)('%s snapshotted again', (name) => {
  const versions = versionsOf(fixtureFacts<Facts>(name))

  test('has something to do', () => expect(versions.length).toBeGreaterThan(0))

  test.each(versions)('$title: the same object IDs and counts', async (v) => {
    const repository = await openCopy(name)
    const local = join(newPlace(), basename(v.snapshot.source.path))
    await buildTree(local, v.tree)
    const previous = v.before ? [await loadSnapshot(repository, v.before.id)] : []
    expect(rootAgain(await again(repository, v, local, []))).toEqual(rootOf(v.snapshot))
    const snapshot = await again(repository, v, local, previous)
    expect(rootAgain(snapshot)).toEqual(rootOf(v.snapshot))
    if (previous.length > 0 || versions.length === 1) expect(statsAgain(snapshot)).toEqual(v.snapshot.stats)
  })
})

describe.runIf(isRoot)('odd sources snapshotted again', () => {
  test('sources: an empty folder, one file, a link, paths of other systems', async () => {
    const facts = fixtureFacts<Facts>('sources')
    const repository = await openCopy('sources')
    const place = newPlace()
    for (const [name, tree] of Object.entries(facts.trees ?? {})) await buildTree(join(place, name), tree)
    mkdirSync(join(place, 'links'))
    symlinkSync('../single', join(place, 'links/via-link'))
    for (const snapshot of facts.snapshots ?? []) {
      const { path } = snapshot.source
      const local = path.endsWith('/empty')
        ? 'empty'
        : path.endsWith('/file.txt')
          ? 'single/file.txt'
          : path.endsWith('/via-link')
            ? 'single'
            : 'other'
      const made = await again(repository, { snapshot, before: undefined, tree: [], title: path }, join(place, local), [])
      expect(rootAgain(made), path).toEqual(rootOf(snapshot))
    }
  })

  test('double-indirect: 256 MiB of zeros', async () => {
    const [v] = versionsOf(fixtureFacts<Facts>('double-indirect'))
    if (!v) throw new Error('no version')
    const repository = await openCopy('double-indirect')
    const local = join(newPlace(), 'huge')
    await buildTree(local, v.tree)
    expect(rootAgain(await again(repository, v, local, []))).toEqual(rootOf(v.snapshot))
  })

  test("format-v1: before compression was switched on (compressed bytes are each compressor's own)", async () => {
    const [v] = versionsOf(fixtureFacts<Facts>('format-v1'))
    if (!v) throw new Error('no version')
    const repository = await openCopy('format-v1')
    const local = join(newPlace(), 'notes')
    await buildTree(local, v.tree)
    const plain = { ...emptyPolicy, compression: { compressorName: 'none' } }
    expect(rootAgain(await again(repository, v, local, [], plain))).toEqual(rootOf(v.snapshot))
  })

  test('incomplete: the upload ends soon after its limit', async () => {
    const [v] = versionsOf(fixtureFacts<Facts>('incomplete'))
    if (!v) throw new Error('no version')
    const repository = await openCopy('incomplete')
    const local = join(newPlace(), 'big')
    await buildTree(local, v.tree)
    const snapshot = await again(repository, v, local, [])
    expect(snapshot.incomplete).toBe('limit reached')
    expect(snapshot.rootEntry?.summary?.incomplete).toBe('limit reached')
    // 5 files of 400000 bytes against a limit of 1 MiB: the third goes beyond it.
    expect(snapshot.stats.totalBytes).toBeGreaterThan(400_000)
    expect(snapshot.stats.totalBytes).toBeLessThanOrEqual(1_200_002)
  })

  test.each(['format-v1-index-v2', 'upgraded-v1-to-v3', 'upgraded-v1-set-parameters'])('%s: the source made last', async (name) => {
    const v = versionsOf(fixtureFacts<Facts>(name)).find((x) => /late|after/.test(x.title))
    if (!v) throw new Error('no version')
    const repository = await openCopy(name)
    const local = join(newPlace(), basename(v.snapshot.source.path))
    await buildTree(local, v.tree)
    expect(rootAgain(await again(repository, v, local, []))).toEqual(rootOf(v.snapshot))
  })
})
