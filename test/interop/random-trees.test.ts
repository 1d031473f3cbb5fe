import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { filesystemBackend } from '#repo/blob/filesystem.ts'
import { filesystemOptions } from '#repo/blob/filesystem-options.ts'
import { createRepository } from '#repo/repository/create.ts'
import { deleteSnapshot, listSnapshots } from '#snapshot/model/snapshots.ts'
import { defaultPolicy } from '#snapshot/policy/defaults.ts'
import { setPolicy } from '#snapshot/policy/store.ts'
import { defaultRestoreOptions } from '#snapshot/restore/options.ts'
import { restoreTree } from '#snapshot/restore/run.ts'
import { createSnapshot } from '#snapshot/upload/create.ts'
import { alice, openFolder } from '../support/open-fixture.ts'
import { runFsck } from '../support/referee.ts'
import { contentBytes, setTimes } from '../support/source-tree.ts'
import { listAsRestored, listTree } from '../support/tree-listing.ts'

const password = 'random-trees'
const place = mkdtempSync(join(tmpdir(), 'kura-random-'))
afterAll(() => rmSync(place, { recursive: true, force: true }))

const seeds = (process.env['KURA_TREE_SEEDS'] ?? '1,2,3').split(',').map(Number)
const stepsPerSeed = 6
const changesPerStep = 25

/** Chooses, always the same for the same seed. */
class Chooser {
  #state: number
  constructor(seed: number) {
    this.#state = seed * 2654435761
  }
  /** 0 ≤ n < limit. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }
}

const nameParts = ['a', 'B', 'long name', 'ü', '日本', '.dot', '-x', '"q"', '\\', 'e\u0301', '\u{1f600}', '<&>', '\u2028', '\t', '%41', '~']
const sizes = [0, 1, 17, 4096, 70_000, 70_000, 300_000, 1_100_000, 1_100_000, 3_000_000]

/** Changes a folder at random, as people and programs do. */
class Gardener {
  #timeNs = 1_700_000_000_000_000_000n
  #made = 0

  constructor(
    readonly root: string,
    readonly choose: Chooser,
  ) {}

  change(): void {
    const steps = [
      this.create,
      this.create,
      this.create,
      this.folder,
      this.remove,
      this.rename,
      this.rewrite,
      this.cut,
      this.mode,
      this.touch,
    ]
    this.choose.of([...steps, this.link, this.swapKind, this.copy]).call(this)
  }

  /** Every path below the root; folders only if wanted. */
  private paths(foldersOnly = false): string[] {
    const found = readdirSync(this.root, { recursive: true, withFileTypes: true })
    return found.filter((e) => !foldersOnly || e.isDirectory()).map((e) => join(e.parentPath, e.name))
  }
  private somewhere = (): string => join(this.choose.of([this.root, ...this.paths(true)]), `${this.choose.of(nameParts)}${this.#made++}`)
  private stamp(path: string): void {
    this.#timeNs += BigInt(1 + this.choose.below(3_000_000_000))
    setTimes([{ path: Buffer.from(path), mtimeNs: this.#timeNs }])
  }
  private fill(path: string): void {
    const gen = this.choose.of(['random', 'text', 'zeros', 'mixed'])
    writeFileSync(path, contentBytes({ gen, seed: this.choose.below(4), size: this.choose.of(sizes) }))
    this.stamp(path)
  }
  private some(kind: 'file' | 'any' | 'folder'): string | undefined {
    const all = this.paths().filter((p) => kind === 'any' || (kind === 'file' ? lstatSync(p).isFile() : lstatSync(p).isDirectory()))
    return all.length > 0 ? this.choose.of(all) : undefined
  }
  private create(): void {
    this.fill(this.somewhere())
  }
  private folder(): void {
    mkdirSync(this.somewhere())
  }
  private link(): void {
    symlinkSync(this.choose.of(['nowhere', '..', '/etc', 'ü/ü']), this.somewhere())
  }
  private remove(): void {
    const path = this.some('any')
    if (path) rmSync(path, { recursive: true })
  }
  private rename(): void {
    const [from, to] = [this.some('any'), this.somewhere()]
    if (from && !to.startsWith(`${from}/`)) renameSync(from, to)
  }
  private rewrite(): void {
    const path = this.some('file')
    if (path) this.fill(path)
  }
  private cut(): void {
    const path = this.some('file')
    if (!path) return
    truncateSync(path, Math.floor(lstatSync(path).size / 2))
    this.stamp(path)
  }
  private mode(): void {
    const path = this.some('any')
    if (path && !lstatSync(path).isSymbolicLink()) chmodSync(path, this.choose.of([0o600, 0o644, 0o755, 0o4755, 0o2775, 0o1777, 0o400]))
  }
  private touch(): void {
    const path = this.some('any')
    if (path) this.stamp(path)
  }
  private swapKind(): void {
    const path = this.some('any')
    if (!path) return
    const wasFolder = lstatSync(path).isDirectory()
    rmSync(path, { recursive: true })
    if (wasFolder) this.fill(path)
    else mkdirSync(path)
  }
  private copy(): void {
    const [from, to] = [this.some('any'), this.somewhere()]
    if (from && !to.startsWith(`${from}/`)) cpSync(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
  }
}

const compressors = ['none', 'zstd-fastest', 's2-default', 'pgzip']
const splitters = ['DYNAMIC-128K-BUZHASH', 'FIXED-256K', 'DYNAMIC-512K-RABINKARP', '']

describe.each(seeds)('a folder that changes at random, seed %i', (seed) => {
  test('comes back as it was from every snapshot', async () => {
    const choose = new Chooser(seed)
    const [repositoryPath, root] = [join(place, `repository-${seed}`), join(place, `source-${seed}`)]
    mkdirSync(root)
    const storage = await filesystemBackend.open(filesystemOptions(repositoryPath), true)
    await createRepository(storage, { version: 1 + (seed % 3), maxPackSizeBytes: 10 << 20 }, password)
    await storage.close()
    const source = { user: alice.username, host: alice.hostname, path: root }
    const gardener = new Gardener(root, choose)
    const states = new Map<string, Record<string, string>>()
    const open = () => openFolder(repositoryPath, password, { client: { readOnly: false } })
    let repository = await open()
    for (let step = 0; step < stepsPerSeed; step++) {
      for (let i = 0; i < changesPerStep; i++) gardener.change()
      await setPolicy(repository, source, {
        ...defaultPolicy,
        compression: { compressorName: choose.of(compressors) },
        splitter: { algorithm: choose.of(splitters) },
        // The checker knows only the last policy's part size.
        upload: { parallelUploadAboveSize: seed % 2 === 0 ? 1 << 20 : 2_147_483_648 },
      })
      const { snapshot } = await createSnapshot(repository, { source, localPath: root }, {})
      expect(snapshot.stats.errorCount).toBe(0)
      states.set(snapshot.id, listAsRestored(root))
      if (choose.below(2) === 0) {
        await repository.flush()
        await repository.close()
        repository = await open()
      }
      if (choose.below(3) === 0 && states.size > 1) {
        const [oldest = ''] = states.keys()
        await deleteSnapshot(repository, oldest)
        states.delete(oldest)
      }
    }
    await repository.flush()
    await repository.close()
    await expectEveryState(repositoryPath, states)
    const { output } = await runFsck(repositoryPath, password)
    expect(output.split('\n').filter((line) => line.startsWith('VIOLATION'))).toEqual([])
    for (const path of [repositoryPath, root]) rmSync(path, { recursive: true })
  })
})

async function expectEveryState(repositoryPath: string, states: Map<string, Record<string, string>>): Promise<void> {
  await using reader = await openFolder(repositoryPath, password)
  const snapshots = await listSnapshots(reader)
  expect(snapshots.map((s) => s.id).sort()).toEqual([...states.keys()].sort())
  for (const { id, rootEntry } of snapshots) {
    const target = join(place, `target-${id}`)
    if (!rootEntry) throw new Error(`snapshot ${id} has no root`)
    const { failures } = await restoreTree({ repository: reader, root: rootEntry, target, options: defaultRestoreOptions })
    expect(failures).toEqual([])
    expect(listTree(target), id).toEqual(states.get(id))
    rmSync(target, { recursive: true })
  }
}
