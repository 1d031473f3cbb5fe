import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { runFsck } from '../support/referee.ts'
import { contentBytes } from '../support/source-tree.ts'
import { listAsRestored, listTree } from '../support/tree-listing.ts'

const home = new KuraHome()
const source = home.path('source')
const cache = home.path('cache')
const repository = home.path('repository')

beforeAll(async () => {
  mkdirSync(join(source, 'sub'), { recursive: true })
  for (let i = 0; i < 30; i++) writeFileSync(join(source, `sub/file-${i}`), contentBytes({ gen: 'random', seed: i, size: 10_000 }))
  writeFileSync(join(source, 'large'), contentBytes({ gen: 'random', seed: 99, size: 6_000_000 }))
  await home.ok('repository', 'create', 'filesystem', '--path', repository)
  await home.ok('snapshot', 'create', source)
  await home.ok('restore', source, home.path('first'))
})
afterAll(() => home.remove())

const files = (): string[] =>
  readdirSync(cache, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name))

function flipEveryFile(): void {
  for (const file of files()) {
    const bytes = readFileSync(file)
    for (let at = 0; at < bytes.length; at += 97) bytes[at] = (bytes[at] as number) ^ 0x55
    writeFileSync(file, bytes)
  }
}

function emptyEveryFile(): void {
  for (const file of files()) truncateSync(file, 0)
}

let targets = 0

describe.each([
  ['is changed in every file', flipEveryFile],
  ['is cut to nothing', emptyEveryFile],
  ['is gone', () => rmSync(cache, { recursive: true })],
] as const)('a cache that %s', (_what, spoil) => {
  test('costs nothing but time', async () => {
    // Of a repository on a local disk only the central blobs are kept.
    expect(files().length).toBeGreaterThanOrEqual(3)
    spoil()
    expect(await home.ok('snapshot', 'list')).toContain(source)
    const target = home.path(`target-${targets++}`)
    await home.ok('restore', source, target)
    expect(listTree(target)).toEqual(listAsRestored(source))
    await home.ok('snapshot', 'create', source)
    await home.ok('content', 'verify', '--full')
    expect((await runFsck(repository, 'test-password')).output).toContain('fsck: 0 violations')
  })
})

test('the cache holds no plain text', () => {
  const secret = contentBytes({ gen: 'random', seed: 3, size: 10_000 }).subarray(0, 32)
  for (const file of files()) expect(readFileSync(file).includes(secret), file).toBe(false)
})
