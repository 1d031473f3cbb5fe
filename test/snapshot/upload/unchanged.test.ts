import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { encodeDirectory } from '#snapshot/model/directory-json.ts'
import { readStoredDirectory } from '#snapshot/tree/repository-tree.ts'
import { scratchFolders } from '../../support/scratch.ts'
import { type MemoryRepository, memoryRepository, rootOf, setTimeNs, treeOf, upload, Watcher } from '../memory-repository.ts'

const scratch = scratchFolders()
let memory: MemoryRepository
beforeAll(async () => {
  memory = await memoryRepository()
})

function makeSource(): string {
  const source = scratch()
  for (const folder of ['', 'one', 'one/two', 'plain']) {
    mkdirSync(join(source, folder), { recursive: true })
    for (const name of ['a', 'b.txt', 'Tom & Jerry', 'ümlaut', 'z']) writeFileSync(join(source, folder, name), `${folder}/${name}`)
  }
  rmSync(join(source, 'plain/Tom & Jerry'))
  return source
}

/** A second snapshot on top of the first, and one of the same source on top of nothing: both must be the same objects. */
async function again(source: string, between: () => void) {
  const first = await upload(memory.repository, source)
  between()
  const watcher = new Watcher()
  const second = await upload(memory.repository, source, { previous: [first.snapshot], observer: watcher })
  const afresh = await upload(memory.repository, source)
  expect(rootOf(second.snapshot)).toEqual(rootOf(afresh.snapshot))
  const { cachedFileCount, fileCount, totalBytes } = second.snapshot.stats
  return { first, second, watcher, stats: { cachedFileCount, fileCount, totalBytes }, afresh: afresh.snapshot.stats }
}

describe('a tree with an earlier snapshot gives the objects that it gives without one', () => {
  it('when nothing has changed: then nothing is written and every file counts as taken over', async () => {
    const source = makeSource()
    const before = memory.repository.contents.counters.writtenContents
    const { first, second, watcher, stats, afresh } = await again(source, () => undefined)
    expect(rootOf(second.snapshot)).toEqual(rootOf(first.snapshot))
    expect(stats).toMatchObject({ cachedFileCount: 19, totalBytes: afresh.totalBytes })
    expect(watcher.read).toEqual([])
    expect([...watcher.reused].sort()).toHaveLength(19)
    expect(watcher.reused).toContain('one/two/Tom & Jerry')
    expect(memory.repository.contents.counters.writtenContents).toBeGreaterThan(before)
  })

  const changes: Record<string, (source: string) => void> = {
    'a file has come': (s) => writeFileSync(join(s, 'plain/aa'), 'new'),
    'a file has gone': (s) => rmSync(join(s, 'plain/b.txt')),
    'the first file has gone': (s) => rmSync(join(s, 'plain/a')),
    'the last file has gone': (s) => rmSync(join(s, 'plain/z')),
    'a file has changed': (s) => writeFileSync(join(s, 'plain/z'), 'of another length'),
    'a time has changed': (s) => setTimeNs(Buffer.from(join(s, 'plain/z')), 5n),
    'a folder has come': (s) => mkdirSync(join(s, 'plain/folder')),
    'a folder has gone': (s) => rmSync(join(s, 'one/two'), { recursive: true }),
    'a folder has become a file': (s) => {
      rmSync(join(s, 'one/two'), { recursive: true })
      writeFileSync(join(s, 'one/two'), 'file')
    },
    'everything has gone': (s) => {
      for (const name of ['a', 'b.txt', 'ümlaut', 'z']) rmSync(join(s, 'plain', name))
    },
  }
  for (const [what, change] of Object.entries(changes))
    it(`when ${what}`, async () => {
      const source = makeSource()
      await again(source, () => change(source))
    })

  it('whose directories are written in the one form', async () => {
    const source = makeSource()
    const { second } = await again(source, () => writeFileSync(join(source, 'one/new'), 'x'))
    for (const entry of (await treeOf(memory.repository, rootOf(second.snapshot))).values()) {
      if (entry.type !== 'd' || entry.objectId === '') continue
      const bytes = await memory.repository.objects.readAll(entry.objectId)
      const { entries, summary } = await readStoredDirectory(memory.repository, entry.objectId)
      if (!summary) throw new Error('the directory has no summary')
      expect(encodeDirectory(entries, summary).equals(bytes)).toBe(true)
    }
  })
})

describe('unchanged files', () => {
  it('are hidden by rules as changed ones are', async () => {
    const source = makeSource()
    const first = await upload(memory.repository, source)
    const policy = { files: { ignore: ['b.*', '/one/a'] } }
    const second = await upload(memory.repository, source, { previous: [first.snapshot], policy })
    const afresh = await upload(memory.repository, source, { policy })
    expect(rootOf(second.snapshot)).toEqual(rootOf(afresh.snapshot))
    const { cachedFileCount: _, nonCachedFileCount: _n, fileCount: _f, ...rest } = second.snapshot.stats
    expect(afresh.snapshot.stats).toMatchObject(rest)
  })
})
