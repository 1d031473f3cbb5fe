import { chmodSync, lchownSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { scratchFolders } from '../../support/scratch.ts'
import {
  contentOf,
  isRoot,
  type MemoryRepository,
  memoryRepository,
  openAgain,
  rootOf,
  setTimeNs,
  treeOf,
  type UploadChoices,
  upload,
  Watcher,
} from '../memory-repository.ts'

const scratch = scratchFolders()
let memory: MemoryRepository
beforeAll(async () => {
  memory = await memoryRepository()
})

/** A folder with two files, a link, and a folder below. */
function makeSource(): string {
  const source = scratch()
  writeFileSync(join(source, 'a'), 'first')
  mkdirSync(join(source, 'sub'))
  writeFileSync(join(source, 'sub/b'), 'second')
  writeFileSync(join(source, 'sub/empty'), '')
  symlinkSync('a', join(source, 'link'))
  return source
}

async function twice(source: string, between: () => void, choices: UploadChoices = {}) {
  const first = await upload(memory.repository, source)
  between()
  const watcher = new Watcher()
  const second = await upload(memory.repository, source, { previous: [first.snapshot], observer: watcher, ...choices })
  const before = await treeOf(memory.repository, rootOf(first.snapshot))
  return { first, second, watcher, before, after: await treeOf(memory.repository, rootOf(second.snapshot)) }
}

type Change = readonly [what: string, change: (path: string) => void]
const asRoot: readonly Change[] = [
  ['owner', (path) => lchownSync(path, 1, 0)],
  ['group', (path) => lchownSync(path, 0, 1)],
]
const changes: readonly Change[] = [
  ['time, by a nanosecond', (path) => setTimeNs(Buffer.from(path), 1_700_000_000_000_000_001n)],
  ['mode', (path) => chmodSync(path, 0o640)],
  [
    'size',
    (path) => {
      writeFileSync(path, 'longer than it was')
      setTimeNs(Buffer.from(path), 1_700_000_000_000_000_000n)
    },
  ],
  [
    'type',
    (path) => {
      rmSync(path)
      symlinkSync('first', path)
    },
  ],
  ...(isRoot ? asRoot : []),
]

describe('a second upload', () => {
  it('reads nothing again when nothing has changed, and comes to the same root', async () => {
    const { first, second, watcher } = await twice(makeSource(), () => undefined)
    expect(watcher.read).toEqual([])
    expect(watcher.reused.sort()).toEqual(['a', 'link', 'sub/b', 'sub/empty'])
    expect(second.snapshot.rootEntry?.objectId).toBe(first.snapshot.rootEntry?.objectId)
    expect(second.snapshot.stats).toMatchObject({
      cachedFileCount: 4,
      nonCachedFileCount: 0,
      fileCount: 0,
      directoryCount: 2,
      totalBytes: 12,
    })
  })

  it.each(changes)('reads a file with another %s again, and that one only', async (_, change) => {
    const source = makeSource()
    setTimeNs(Buffer.from(join(source, 'a')), 1_700_000_000_000_000_000n)
    const { watcher } = await twice(source, () => change(join(source, 'a')))
    expect(watcher.reused.sort()).toEqual(['link', 'sub/b', 'sub/empty'])
  })

  it('does not see a change that keeps size, time, mode and owner: contents are not looked at', async () => {
    const source = makeSource()
    setTimeNs(Buffer.from(join(source, 'a')), 1_700_000_000_000_000_000n)
    const { watcher, after } = await twice(source, () => {
      writeFileSync(join(source, 'a'), 'FIRST')
      setTimeNs(Buffer.from(join(source, 'a')), 1_700_000_000_000_000_000n)
    })
    expect(watcher.read).toEqual([])
    expect((await contentOf(memory.repository, after.get('a'))).toString()).toBe('first')
  })

  it('reads everything again when told to, and gets the same objects', async () => {
    const { watcher, first, second } = await twice(makeSource(), () => undefined, { forceHashPercent: 100 })
    expect(watcher.read.sort()).toEqual(['a', 'sub/b', 'sub/empty'])
    expect(watcher.reused).toEqual([])
    expect(second.snapshot.rootEntry?.objectId).toBe(first.snapshot.rootEntry?.objectId)
  })

  it('takes the attributes of a reused entry and of folders from today', async () => {
    const source = makeSource()
    const { watcher, after } = await twice(source, () => chmodSync(join(source, 'sub'), 0o1777))
    expect(watcher.read).toEqual([])
    expect(after.get('sub')?.mode).toBe(0o1777)
  })

  it('looks only at the folder of the same place and name', async () => {
    const source = makeSource()
    const { watcher } = await twice(source, () => renameSync(join(source, 'sub'), join(source, 'moved')))
    expect(watcher.read.sort()).toEqual(['moved/b', 'moved/empty'])
  })

  it('looks at the folders of all earlier snapshots, also where one has a file of that name', async () => {
    const source = makeSource()
    const [one, two, three] = [scratch(), scratch(), scratch()]
    const put = (folder: string, name: string, text: string) => {
      mkdirSync(join(folder, 'sub'), { recursive: true })
      writeFileSync(join(folder, 'sub', name), text)
      utimesSync(join(folder, 'sub', name), 1000, 1000)
    }
    rmSync(join(source, 'sub'), { recursive: true })
    put(source, 'x', 'xx')
    put(source, 'y', 'yy')
    put(one, 'x', 'xx')
    put(two, 'y', 'yy')
    writeFileSync(join(three, 'sub'), 'a file')
    const previous = await Promise.all([three, one, two].map(async (p) => (await upload(memory.repository, p)).snapshot))
    const watcher = new Watcher()
    await upload(memory.repository, source, { previous, observer: watcher })
    expect(watcher.reused.sort()).toEqual(['sub/x', 'sub/y'])
  })

  it('goes on without a previous folder that cannot be read, and says so', async () => {
    const source = makeSource()
    const first = await upload(memory.repository, source)
    const root = { ...rootOf(first.snapshot), objectId: 'k00112233445566778899aabbccddeeff' as never }
    const watcher = new Watcher()
    await upload(memory.repository, source, { previous: [{ ...first.snapshot, rootEntry: root }], observer: watcher })
    expect(watcher.notes).toEqual([expect.stringContaining('its files are read again')])
    expect(watcher.read.sort()).toEqual(['a', 'sub/b', 'sub/empty'])
  })
})

it('reads a file again whose contents have vanished from the storage', async () => {
  const { repository, blobs } = await memoryRepository()
  const source = makeSource()
  const { snapshot } = await upload(repository, source)
  await repository.flush()
  for (const id of [...blobs.keys()]) if (id.startsWith('p')) blobs.delete(id)
  const again = await openAgain(blobs)
  const watcher = new Watcher()
  const second = await upload(again, source, { previous: [snapshot], observer: watcher })
  await again.flush()
  expect(watcher.reused).toEqual([])
  expect(watcher.read.sort()).toEqual(['a', 'sub/b', 'sub/empty'])
  const third = await openAgain(blobs)
  const tree = await treeOf(third, rootOf(second.snapshot))
  expect((await contentOf(third, tree.get('sub/b'))).toString()).toBe('second')
  expect((await contentOf(third, tree.get('link'))).toString()).toBe('a')
  expect(readdirSync(source).length).toBe(3)
})
