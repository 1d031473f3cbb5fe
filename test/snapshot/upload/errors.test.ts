import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { scratchFolders } from '../../support/scratch.ts'
import {
  asOrdinaryUser,
  contentOf,
  memoryRepository,
  ordinaryOwner,
  policyWith,
  rootOf,
  treeOf,
  upload,
  Watcher,
  whyNoOrdinaryUser,
} from '../memory-repository.ts'

const scratch = scratchFolders()
let repository: DirectRepository
beforeAll(async () => {
  ;({ repository } = await memoryRepository())
})

const denied = 'permission denied'

/** A folder of an ordinary user with a file and a folder that nobody but root can read. */
function lockedSource(): string {
  const source = scratch()
  mkdirSync(join(source, 'sub/locked'), { recursive: true })
  writeFileSync(join(source, 'sub/secret'), 'secret')
  writeFileSync(join(source, 'sub/open'), 'open')
  chmodSync(join(source, 'sub/secret'), 0)
  for (const name of ['', 'sub', 'sub/locked', 'sub/secret', 'sub/open']) chownSync(join(source, name), ordinaryOwner, ordinaryOwner)
  chmodSync(join(source, 'sub/locked'), 0)
  return source
}

describe.skipIf(whyNoOrdinaryUser !== undefined)(
  `what cannot be read ${whyNoOrdinaryUser ? `(skipped: ${whyNoOrdinaryUser})` : ''}`,
  () => {
    const run = (source: string, choices: Parameters<typeof upload>[2] = {}) =>
      asOrdinaryUser(async () => {
        const result = await upload(repository, source, choices)
        return { ...result, tree: await treeOf(repository, rootOf(result.snapshot)) }
      })

    it('is left out, and told to every folder above', async () => {
      const watcher = new Watcher()
      const { snapshot, tree } = await run(lockedSource(), { observer: watcher })
      expect([...tree.keys()].sort()).toEqual(['', 'sub', 'sub/open'])
      const errors = [
        { path: 'sub/locked', error: denied },
        { path: 'sub/secret', error: denied },
      ]
      expect(rootOf(snapshot).summary).toMatchObject({ fatalErrorCount: 2, ignoredErrorCount: 0, errors, fileCount: 1, directoryCount: 2 })
      expect(tree.get('sub')?.summary).toMatchObject({ fatalErrorCount: 2, errors })
      expect(snapshot.stats).toMatchObject({ errorCount: 2, ignoredErrorCount: 0 })
      expect(snapshot.incomplete).toBeUndefined()
      expect(watcher.failures.sort()).toEqual([
        ['sub/locked', false],
        ['sub/secret', false],
      ])
    })

    it.each([
      [{ ignoreFileErrors: true }, 1, 1],
      [{ ignoreDirectoryErrors: true }, 1, 1],
      [{ ignoreFileErrors: true, ignoreDirectoryErrors: true }, 0, 2],
    ])('is ignored with %o', async (errorHandling, fatalErrorCount, ignoredErrorCount) => {
      const { snapshot } = await run(lockedSource(), { policy: { errorHandling } })
      expect(rootOf(snapshot).summary).toMatchObject({ fatalErrorCount, ignoredErrorCount })
      expect(snapshot.stats).toMatchObject({ errorCount: fatalErrorCount, ignoredErrorCount })
      expect(rootOf(snapshot).summary?.errors).toHaveLength(2)
    })

    it('is ignored by the policy of its folder when it is a file, by its own when it is a folder', async () => {
      const ignoring = policyWith({ errorHandling: { ignoreFileErrors: true, ignoreDirectoryErrors: true } })
      const folder = await run(lockedSource(), { below: { sub: ignoring, 'sub/locked': policyWith({}) } })
      expect(rootOf(folder.snapshot).summary).toMatchObject({ fatalErrorCount: 1, ignoredErrorCount: 1 })
      const itself = await run(lockedSource(), { below: { 'sub/secret': ignoring, 'sub/locked': ignoring } })
      expect(rootOf(itself.snapshot).summary).toMatchObject({ fatalErrorCount: 1, ignoredErrorCount: 1 })
    })

    it('ends the upload when it is not ignored and the upload is to fail fast', async () => {
      const source = lockedSource()
      const { snapshot } = await run(source, { failFast: true })
      expect(snapshot.incomplete).toBe('canceled')
      expect(rootOf(snapshot).summary?.incomplete).toBe('canceled')
      expect(rootOf(snapshot).summary?.fatalErrorCount).toBeGreaterThan(0)
      const ignoring = { errorHandling: { ignoreFileErrors: true, ignoreDirectoryErrors: true } }
      expect((await run(source, { failFast: true, policy: ignoring })).snapshot.incomplete).toBeUndefined()
    })

    it('is an error entry when its folder can be listed but not searched', async () => {
      const source = scratch()
      mkdirSync(join(source, 'sub'))
      writeFileSync(join(source, 'sub/file'), '')
      for (const name of ['', 'sub', 'sub/file']) chownSync(join(source, name), ordinaryOwner, ordinaryOwner)
      chmodSync(join(source, 'sub'), 0o400)
      // With this policy a wrong device number would leave it out without a word.
      const { snapshot } = await run(source, { policy: { files: { oneFileSystem: true } } })
      expect(rootOf(snapshot).summary).toMatchObject({ fatalErrorCount: 1, errors: [{ path: 'sub/file', error: denied }] })
    })

    it('fails the upload when it is the root', async () => {
      const source = lockedSource()
      await expect(run(join(source, 'sub/locked'), { policy: { errorHandling: { ignoreDirectoryErrors: true } } })).rejects.toThrow(denied)
      await expect(run(join(source, 'sub/secret'))).rejects.toThrow(denied)
    })

    it('is an ignore file: its folder fails, not the others', async () => {
      const source = scratch()
      mkdirSync(join(source, 'sub'))
      symlinkSync('missing', join(source, 'sub/.kopiaignore'))
      writeFileSync(join(source, 'other'), '')
      for (const name of ['', 'sub', 'other']) chownSync(join(source, name), ordinaryOwner, ordinaryOwner)
      const { snapshot, tree } = await run(source)
      expect([...tree.keys()].sort()).toEqual(['', 'other'])
      expect(rootOf(snapshot).summary).toMatchObject({ fatalErrorCount: 1, errors: [{ path: 'sub' }] })
    })
  },
)

describe('a file that changes between listing and reading', () => {
  /** Uploads one file; `change` runs just before it is opened. */
  async function changing(sizeBytes: number, change: (path: string) => void) {
    const source = scratch()
    const path = join(source, 'file')
    writeFileSync(path, Buffer.alloc(sizeBytes, 'a'))
    const result = await upload(repository, source, { observer: { hashing: () => change(path) } })
    const tree = await treeOf(repository, rootOf(result.snapshot))
    return { entry: tree.get('file'), summary: rootOf(result.snapshot).summary }
  }

  const sizes = [0, 10, (1 << 20) - 1, 1 << 20]
  it.each(sizes)('is stored as it is read, with the size that was read (%i bytes)', async (size) => {
    const grown = await changing(size, (path) => appendFileSync(path, Buffer.alloc(2_500_000, 'b')))
    expect(grown.entry?.sizeBytes).toBe(size + 2_500_000)
    const wanted = Buffer.concat([Buffer.alloc(size, 'a'), Buffer.alloc(2_500_000, 'b')])
    expect((await contentOf(repository, grown.entry)).equals(wanted)).toBe(true)
    expect(grown.summary?.totalBytes).toBe(size + 2_500_000)
    const shrunk = await changing(size, (path) => truncateSync(path, Math.floor(size / 3)))
    expect(shrunk.entry?.sizeBytes).toBe(Math.floor(size / 3))
    expect((await contentOf(repository, shrunk.entry)).length).toBe(Math.floor(size / 3))
  })

  it.each([10, 2_000_000])('is an error when it has gone, or has become something else (%i bytes)', async (size) => {
    const other = join(scratch(), 'other')
    writeFileSync(other, 'not to be stored')
    const changes: [change: (path: string) => void, error: string][] = [
      [(path) => rmSync(path), 'no such file or directory'],
      [
        (path) => {
          rmSync(path)
          symlinkSync(other, path)
        },
        'it has become a symbolic link',
      ],
      [
        (path) => {
          rmSync(path)
          execFileSync('mkfifo', [path])
        },
        'it is no regular file any more',
      ],
      [
        (path) => {
          rmSync(path)
          mkdirSync(path)
        },
        size < 1 << 20 ? 'EISDIR' : 'it is no regular file any more',
      ],
    ]
    for (const [change, error] of changes) {
      const { entry, summary } = await changing(size, change)
      expect(entry).toBeUndefined()
      expect(summary).toMatchObject({ fatalErrorCount: 1, errors: [{ path: 'file', error }] })
    }
  })
})

it('reports a folder that vanishes or becomes a file while the upload comes to it', async () => {
  const source = scratch()
  for (const name of ['a', 'b', 'c']) mkdirSync(join(source, name))
  const change = (path: string) => {
    if (path !== '') return
    rmSync(join(source, 'a'), { recursive: true })
    renameSync(join(source, 'b'), join(source, 'moved'))
    writeFileSync(join(source, 'b'), '')
  }
  // The root has been listed when it is announced.
  const { snapshot } = await upload(repository, source, { observer: { directory: change } })
  const errors = rootOf(snapshot).summary?.errors
  // What had gone before it was looked at is left out; what goes later is an error.
  for (const e of errors ?? []) expect(['no such file or directory', 'not a directory']).toContain(e.error)
  expect(statSync(join(source, 'moved')).isDirectory()).toBe(true)
  expect((await treeOf(repository, rootOf(snapshot))).has('c')).toBe(true)
})

it('holds the failures of a hundred thousand entries', async () => {
  const { SummaryBuilder } = await import('#snapshot/upload/summary.ts')
  const child = new SummaryBuilder()
  for (let i = 0; i < 200_000; i++) child.addFailure({ path: `sub/${i}`, error: denied }, i % 2 === 0)
  const parent = new SummaryBuilder()
  const entry = { name: 'sub', type: 'd', mode: 0, sizeBytes: 0, modifiedNs: 0n, uid: 0, gid: 0, objectId: '' as const }
  parent.add({ ...entry, summary: child.build(0n, undefined) })
  expect(parent.build(0n, undefined)).toMatchObject({ fatalErrorCount: 100_000, ignoredErrorCount: 100_000, directoryCount: 2 })
})
