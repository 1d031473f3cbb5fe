import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { UsageError } from '#base/errors.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { type DiffEvent, diffTrees } from '#snapshot/diff.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { scratchFolders } from '../support/scratch.ts'
import { memoryRepository, rootOf, setTimeNs, upload } from './memory-repository.ts'

const scratch = scratchFolders()
let repository: DirectRepository
beforeAll(async () => {
  ;({ repository } = await memoryRepository())
})

const tick = (path: string, ns = 1_600_000_000_000_000_000n) => setTimeNs(Buffer.from(path), ns)
const snapshotOf = async (source: string): Promise<DirectoryEntry> => rootOf((await upload(repository, source)).snapshot)

async function compare(before: DirectoryEntry, after: DirectoryEntry) {
  const events: DiffEvent[] = []
  const statistics = await diffTrees(repository, before, after, (e) => void events.push(e))
  const lines = events.map((e) => (e.kind === 'attribute' ? `${e.path} ${e.what}` : `${e.kind} ${e.path}`))
  return { lines, statistics }
}

/** A folder whose entries all have the same time. */
function folder(files: Readonly<Record<string, string>>): string {
  const source = scratch()
  chmodSync(source, 0o755)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(source, path, '..'), { recursive: true })
    writeFileSync(join(source, path), text)
    tick(join(source, path))
  }
  for (const path of Object.keys(files)) if (path.includes('/')) tick(join(source, path.slice(0, path.lastIndexOf('/'))))
  tick(source)
  return source
}

describe('a comparison', () => {
  it('of equal trees says nothing and does not look below', async () => {
    const source = folder({ a: '1', 'sub/b': '2' })
    const [one, two] = [await snapshotOf(source), await snapshotOf(source)]
    const { lines, statistics } = await compare(one, two)
    expect(lines).toEqual([])
    expect(Object.values(statistics.fileEntries).every((n) => n === 0)).toBe(true)
    const gone = { ...one, objectId: 'k00112233445566778899aabbccddeeff' as never }
    expect((await compare(gone, { ...gone, mode: 0o700 })).statistics.directoryEntries).toMatchObject({
      sameContentButDifferentMode: 1,
      sameContentButDifferentMetadata: 1,
      modified: 0,
    })
  })

  it('names what was added, removed and changed, whole folders with what is in them', async () => {
    const source = folder({ same: 's', changed: 'old', gone: 'g', 'gone-dir/x': 'x' })
    const before = await snapshotOf(source)
    rmSync(join(source, 'gone'))
    rmSync(join(source, 'gone-dir'), { recursive: true })
    mkdirSync(join(source, 'new-dir'))
    writeFileSync(join(source, 'new-dir/y'), 'y')
    writeFileSync(join(source, 'new'), 'n')
    writeFileSync(join(source, 'changed'), 'new!')
    tick(join(source, 'changed'))
    tick(source)
    const { lines, statistics } = await compare(before, await snapshotOf(source))
    // A folder below shows the size and the latest time of all in it; the root its own.
    expect(lines).toEqual([
      'added ./new-dir',
      'added ./new-dir/y',
      './changed sizes',
      'changed ./changed',
      'added ./new',
      'removed ./gone-dir',
      'removed ./gone-dir/x',
      'removed ./gone',
    ])
    expect(statistics.fileEntries).toMatchObject({ added: 2, removed: 2, modified: 2 })
    expect(statistics.directoryEntries).toMatchObject({ added: 1, removed: 1, modified: 0 })
  })

  it('counts changes of attributes alone without saying them', async () => {
    const source = folder({ mode: 'm', time: 't' })
    const before = await snapshotOf(source)
    chmodSync(join(source, 'mode'), 0o600)
    tick(join(source, 'time'), 5n)
    tick(source)
    const { lines, statistics } = await compare(before, await snapshotOf(source))
    expect(lines).toEqual([])
    expect(statistics.fileEntries).toEqual({
      added: 0,
      removed: 0,
      modified: 0,
      sameContentButDifferentMetadata: 2,
      sameContentButDifferentMode: 1,
      sameContentButDifferentModificationTime: 1,
      sameContentButDifferentUserOwner: 0,
      sameContentButDifferentGroupOwner: 0,
    })
  })

  it('says when a folder has become something else, and does not go into it', async () => {
    const source = folder({ 'x/inner': '1', y: '2' })
    const before = await snapshotOf(source)
    for (const name of ['x', 'y']) rmSync(join(source, name), { recursive: true })
    writeFileSync(join(source, 'x'), 'file')
    mkdirSync(join(source, 'y'))
    const { lines } = await compare(before, await snapshotOf(source))
    expect(lines.filter((l) => l.startsWith('type'))).toEqual(['type ./y', 'type ./x'])
    expect(lines.some((l) => l.includes('inner'))).toBe(false)
  })

  it('of links with other targets gives their attributes only', async () => {
    const source = folder({})
    symlinkSync('aa', join(source, 'link'))
    tick(join(source, 'link'))
    tick(source)
    const before = await snapshotOf(source)
    rmSync(join(source, 'link'))
    symlinkSync('bbb', join(source, 'link'))
    tick(join(source, 'link'))
    tick(source)
    expect((await compare(before, await snapshotOf(source))).lines).toEqual(['./link sizes'])
  })

  it('is refused for files', async () => {
    const source = folder({ f: 'x' })
    const root = await snapshotOf(source)
    const file = await snapshotOf(join(source, 'f'))
    await expect(compare(file, file)).rejects.toThrow(UsageError)
    await expect(compare(root, file)).rejects.toThrow(UsageError)
    await expect(compare(file, root)).rejects.toThrow(UsageError)
  })

  it('finds exactly the names that differ, for any two folders', async () => {
    const names = fc.dictionary(fc.stringMatching(/^[a-e]$/), fc.stringMatching(/^[xyz]$/))
    await fc.assert(
      fc.asyncProperty(names, names, async (before, after) => {
        const { lines } = await compare(await snapshotOf(folder(before)), await snapshotOf(folder(after)))
        const wanted = [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((name) => {
          if (before[name] === undefined) return [`added ./${name}`]
          if (after[name] === undefined) return [`removed ./${name}`]
          return before[name] === after[name] ? [] : [`changed ./${name}`]
        })
        expect(lines.sort()).toEqual(wanted.sort())
      }),
      { numRuns: 30 },
    )
  })
})
