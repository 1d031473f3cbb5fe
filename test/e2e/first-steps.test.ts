import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TreeEntry } from '../interop/facts.ts'
import { KuraHome } from '../support/kura.ts'
import { runFsck } from '../support/referee.ts'
import { buildTree } from '../support/source-tree.ts'
import { listAsRestored, listTree } from '../support/tree-listing.ts'
import { ended, until } from '../support/wait.ts'

const isRoot = process.getuid?.() === 0

/** What is hard to bring back: odd names, modes, times and sizes, links, files of several chunks. */
const tree: TreeEntry[] = [
  { path: 'empty.txt', type: 'file', content: { text: '' } },
  { path: 'hello.txt', type: 'file', content: { text: 'hello\n' } },
  { path: 'large.bin', type: 'file', content: { gen: 'random', seed: 7, size: 9_000_001 } },
  { path: 'words.txt', type: 'file', content: { gen: 'text', seed: 8, size: 300_000 } },
  { path: 'sparse.bin', type: 'sparse', size: 3_145_728, data: [{ offset: 1_500_000, with: { text: 'middle' } }] },
  ...[
    'with space',
    'trailing ',
    'ünïcödé',
    '日本語',
    '-rf',
    '--help',
    'new\nline',
    'quo\'te"s',
    'back\\slash',
    '*?[x]',
    'x'.repeat(255),
    '.hidden',
  ].map((name): TreeEntry => ({ path: `names/${name}`, type: 'file', content: { text: name } })),
  ...['0000', '0400', '0444', '0600', '0755', '4755', '2755', '1777'].map(
    (mode): TreeEntry => ({ path: `modes/${mode}`, type: 'file', content: { text: mode }, mode }),
  ),
  ...['0', '1', '-1000000001', '1700000000123456789', '4102444800999999999'].map(
    (mtimeNs): TreeEntry => ({ path: `times/${mtimeNs}`, type: 'file', content: { text: mtimeNs }, mtimeNs }),
  ),
  { path: 'links/relative', type: 'symlink', target: '../hello.txt', mtimeNs: '1600000000000000007' },
  { path: 'links/dangling', type: 'symlink', target: '/nowhere/at all/ü' },
  { path: 'links/folder', type: 'symlink', target: '../names' },
  { path: 'readonly-folder/inside.txt', type: 'file', content: { text: 'inside' } },
  { path: 'readonly-folder', type: 'dir', mode: '0555' },
  { path: 'setgid-folder', type: 'dir', mode: '2775' },
  { path: 'a/b/c/d/e/f/g/deep.txt', type: 'file', content: { text: 'deep' } },
  ...(isRoot
    ? [
        { path: 'owned.txt', type: 'file', content: { text: 'owned' }, uid: 1000, gid: 1001 },
        { path: 'owned-link', type: 'symlink', target: 'x', uid: 1000, gid: 1001 },
      ]
    : []),
]

interface Made {
  readonly id: string
  readonly rootEntry: { readonly obj: string; readonly summ: { readonly files: number } }
  readonly stats: Readonly<Record<string, number>>
}

const home = new KuraHome()
const source = home.path('source')
const repository = home.path('repository')

beforeAll(async () => {
  await buildTree(source, tree)
  await home.ok('repository', 'create', 'filesystem', '--path', repository)
})
afterAll(() => home.remove())

const snapshot = async (...flags: string[]): Promise<Made> =>
  JSON.parse(await home.ok('snapshot', 'create', source, '--json', '--json-verbose', ...flags)) as Made

describe('the commands of the README, one after another', () => {
  let first: Made

  test('snapshot create says what it made', async () => {
    first = await snapshot()
    expect(first.stats['errorCount']).toBe(0)
    expect(first.rootEntry.summ.files).toBe(tree.filter((e) => e.type === 'file' || e.type === 'sparse').length)
  })

  test('snapshot list shows it', async () => {
    const list = await home.ok('snapshot', 'list', '--manifest-id')
    expect(list).toContain(`:${source}\n`)
    expect(list).toContain(first.rootEntry.obj)
    expect(list).toContain(`manifest:${first.id}`)
  })

  test('ls -r shows every entry, show the bytes of one', async () => {
    const lines = (await home.ok('ls', '-r', first.rootEntry.obj)).replaceAll('new\nline', 'new-line').trimEnd().split('\n')
    expect(lines.length).toBe(Object.keys(listTree(source)).length - 1)
    expect(await home.ok('show', `${first.rootEntry.obj}/hello.txt`)).toBe('hello\n')
    expect(await home.ok('show', `${first.id}/hello.txt`)).toBe('hello\n')
    expect(await home.ok('show', `${first.rootEntry.obj}/names/ünïcödé`)).toBe('ünïcödé')
  })

  test.each([['snapshot ID'], ['root object'], ['source path']])('restore by %s gives back everything', async (by) => {
    const target = home.path(`restored by ${by}`)
    await home.ok('restore', by === 'snapshot ID' ? first.id : by === 'source path' ? source : first.rootEntry.obj, target)
    const [wanted, got] = [listAsRestored(source), listTree(target)]
    if (by === 'root object') {
      // A bare object ID says nothing of the root folder itself.
      delete wanted['.']
      delete got['.']
    }
    expect(got).toEqual(wanted)
  })

  test('the strict checker finds nothing wrong', async () => {
    expect((await runFsck(repository, 'test-password')).output).not.toContain('VIOLATION')
  })

  test('a second run reads nothing that did not change', async () => {
    const again = await snapshot()
    expect(again.rootEntry.obj).toBe(first.rootEntry.obj)
    // Symbolic links are always written again; files never.
    expect(again.stats['nonCachedFiles']).toBe(0)
    expect(again.stats['cachedFiles']).toBeGreaterThanOrEqual(first.rootEntry.summ.files)
    writeFileSync(join(source, 'hello.txt'), 'hello again\n')
    const third = await snapshot()
    expect(third.stats['nonCachedFiles']).toBe(1)
    expect(third.rootEntry.obj).not.toBe(first.rootEntry.obj)
    expect(await home.ok('show', `${third.rootEntry.obj}/hello.txt`)).toBe('hello again\n')
    expect(await home.ok('show', `${first.rootEntry.obj}/hello.txt`)).toBe('hello\n')
    expect(await home.ok('diff', first.rootEntry.obj, third.rootEntry.obj)).toContain('hello.txt')
  })

  test('snapshot delete removes what it is told to, and only with --delete', async () => {
    const before = await home.ok('snapshot', 'list', '--show-identical', '--json')
    await home.run('snapshot', 'delete', first.id)
    expect(await home.ok('snapshot', 'list', '--show-identical', '--json')).toBe(before)
    await home.ok('snapshot', 'delete', first.id, '--delete')
    const after = JSON.parse(await home.ok('snapshot', 'list', '--show-identical', '--json')) as Made[]
    expect(after.map((s) => s.id)).not.toContain(first.id)
    expect(after.length).toBe((JSON.parse(before) as Made[]).length - 1)
  })
})

describe.runIf(isRoot && existsSync('/dev/fuse'))('mounting', () => {
  test('mount all shows every snapshot as a folder, unmount ends it', async () => {
    const mountPoint = home.path('mounted')
    mkdirSync(mountPoint)
    const made = await snapshot()
    const child = home.start('mount', 'all', mountPoint)
    let said = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    const end = ended(child)
    await until('the mount', () => readdirSync(mountPoint).length > 0)
    const [user = ''] = readdirSync(mountPoint).filter((name) => name.includes('@'))
    const [folder = ''] = readdirSync(join(mountPoint, user))
    expect(folder).toBe(source.slice(1).replaceAll('/', '_'))
    const latest = join(mountPoint, user, folder, 'latest')
    expect(readFileSync(join(latest, 'hello.txt'), 'utf8')).toBe('hello again\n')
    const [wanted, got] = [listTree(source), listTree(`${latest}/`)]
    // The root of a mounted snapshot is itself; sub-folders show the newest time below them, as Kopia's mount does.
    const withoutFolders = (rows: Record<string, string>) =>
      Object.fromEntries(Object.entries(rows).filter(([, r]) => !r.startsWith('folder')))
    expect(withoutFolders(got)).toEqual(withoutFolders(wanted))
    expect(Object.keys(got)).toEqual(expect.arrayContaining(Object.keys(wanted)))
    expect(made.id).not.toBe('')
    await home.ok('unmount', mountPoint)
    await end
    expect(readdirSync(mountPoint)).toEqual([])
    expect({ status: child.exitCode, said }).toMatchObject({ status: 0 })
    rmSync(mountPoint, { recursive: true })
  })
})
