import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { contentBytes } from '../support/source-tree.ts'

interface Made {
  readonly id: string
  readonly rootEntry: { readonly obj: string }
}
interface Content {
  readonly contentID: string
  readonly originalLength: number
  readonly length: number
  readonly compression?: number
}

const home = new KuraHome()
const source = home.path('source')

beforeAll(async () => {
  for (const folder of ['build', 'cache', 'sub/deep', 'docs']) mkdirSync(join(source, folder), { recursive: true })
  writeFileSync(join(source, 'keep.txt'), 'keep')
  writeFileSync(join(source, 'skip.tmp'), 'skip')
  writeFileSync(join(source, 'build/out.o'), 'object')
  writeFileSync(join(source, 'cache/CACHEDIR.TAG'), 'Signature: 8a477f597d28d172789f06886806bc55\n')
  writeFileSync(join(source, 'cache/data'), 'cached')
  writeFileSync(join(source, 'sub/.kopiaignore'), '*.log\n!keep.log\n/deep/\n')
  writeFileSync(join(source, 'sub/a.log'), 'log')
  writeFileSync(join(source, 'sub/keep.log'), 'kept')
  writeFileSync(join(source, 'sub/deep/file'), 'deep')
  writeFileSync(join(source, 'big.bin'), contentBytes({ gen: 'random', seed: 1, size: 300_000 }))
  writeFileSync(join(source, 'docs/words.txt'), contentBytes({ gen: 'text', seed: 2, size: 200_000 }))
  writeFileSync(join(source, 'docs/words.zip'), contentBytes({ gen: 'text', seed: 3, size: 200_000 }))
  await home.ok('repository', 'create', 'filesystem', '--path', home.path('repository'))
})
afterAll(() => home.remove())

const snapshot = async (...flags: string[]): Promise<Made> =>
  JSON.parse(await home.ok('snapshot', 'create', source, '--json', ...flags)) as Made
const names = async (made: Made): Promise<string[]> =>
  (await home.ok('ls', '-r', made.rootEntry.obj))
    .trimEnd()
    .split('\n')
    .map((line) => line.slice(made.rootEntry.obj.length + 1))
const contents = async (): Promise<Content[]> => JSON.parse(await home.ok('content', 'list', '--json')) as Content[]

async function contentOf(made: Made, path: string): Promise<Content | undefined> {
  const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
  const rows = await home.ok('ls', '-o', `${made.rootEntry.obj}${folder === '' ? '' : `/${folder}`}`)
  const name = path.slice(path.lastIndexOf('/') + 1)
  const id = rows
    .split('\n')
    .find((line) => line.endsWith(` ${name}`))
    ?.split(' ')[0]
  return (await contents()).find((c) => c.contentID === id)
}

test('ignore rules of policies and of .kopiaignore files, and cache folders, are honoured', async () => {
  await home.ok('policy', 'set', source, '--add-ignore=*.tmp', '--add-ignore=/build/')
  expect((await names(await snapshot())).sort()).toEqual(
    ['big.bin', 'cache/', 'docs/', 'docs/words.txt', 'docs/words.zip', 'keep.txt', 'sub/', 'sub/.kopiaignore', 'sub/keep.log'].sort(),
  )
})

test('files above the largest size are left out, and come back when the rule goes', async () => {
  await home.ok('policy', 'set', source, '--max-file-size=250000')
  expect(await names(await snapshot())).not.toContain('big.bin')
  await home.ok('policy', 'set', source, '--max-file-size=inherit')
  expect(await names(await snapshot())).toContain('big.bin')
})

test('compression follows the policy, and leaves out the extensions it names', async () => {
  await home.ok('policy', 'set', source, '--compression=zstd', '--add-never-compress=.zip')
  // Unchanged files keep what they were stored as.
  writeFileSync(join(source, 'docs/words.txt'), contentBytes({ gen: 'text', seed: 4, size: 200_001 }))
  writeFileSync(join(source, 'docs/words.zip'), contentBytes({ gen: 'text', seed: 5, size: 200_001 }))
  const made = await snapshot()
  const [text, zip] = [await contentOf(made, 'docs/words.txt'), await contentOf(made, 'docs/words.zip')]
  expect(text?.compression).toBeGreaterThan(0)
  expect(text?.length).toBeLessThan(100_000)
  expect(zip?.compression ?? 0).toBe(0)
  expect(await home.ok('show', `${made.rootEntry.obj}/docs/words.txt`)).toBe(
    contentBytes({ gen: 'text', seed: 4, size: 200_001 }).toString(),
  )
})

test('a policy of a folder below holds there only', async () => {
  await home.ok('policy', 'set', join(source, 'docs'), '--add-ignore=*.zip')
  writeFileSync(join(source, 'top.zip'), 'top')
  const found = await names(await snapshot())
  expect(found).toContain('top.zip')
  expect(found).not.toContain('docs/words.zip')
  await home.ok('policy', 'delete', join(source, 'docs'))
  expect(await names(await snapshot())).toContain('docs/words.zip')
})

test('identical snapshots are not saved where the policy says so', async () => {
  const count = async () => (JSON.parse(await home.ok('snapshot', 'list', source, '--json', '--show-identical')) as Made[]).length
  await snapshot()
  await home.ok('policy', 'set', source, '--ignore-identical-snapshots=true')
  const before = await count()
  await home.ok('snapshot', 'create', source)
  expect(await count()).toBe(before)
  await home.ok('policy', 'set', source, '--ignore-identical-snapshots=inherit')
})

test('expired snapshots go when the next one is made, pinned ones stay', async () => {
  const keep = ['hourly', 'daily', 'weekly', 'monthly', 'annual'].map((kind) => `--keep-${kind}=0`)
  await home.ok('policy', 'set', source, '--keep-latest=2', ...keep)
  const pinned = await snapshot('--pin=precious', '--start-time=2024-01-01 00:00:00 UTC')
  const made: Made[] = []
  for (let i = 0; i < 3; i++) made.push(await snapshot())
  const left = (JSON.parse(await home.ok('snapshot', 'list', source, '--json', '--show-identical')) as Made[]).map((s) => s.id)
  expect(left.sort()).toEqual([pinned.id, ...made.slice(1).map((s) => s.id)].sort())
})

test('the policy shown is the one in force, with where each value is from', async () => {
  const shown = await home.ok('policy', 'show', source)
  expect(shown).toMatch(/Latest snapshots: +2 +\(defined for this target\)/)
  expect(shown).toMatch(/Read ignore rules from files: +inherited from \(global\)/)
  expect(await home.ok('policy', 'list')).toContain(source)
})
