import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { UsageError } from '#base/errors.ts'
import { explainPath } from '#snapshot/explain-path.ts'
import { emptyPolicy } from '#snapshot/policy/defaults.ts'
import { scratchFolders } from '../support/scratch.ts'
import { memoryRepository, policyTree, policyWith, rootOf, treeOf, upload } from './memory-repository.ts'

const scratch = scratchFolders()
const rootPolicy = {
  files: { ignore: ['*.tmp', '/out/'], ignoreDotFiles: ['.kopiaignore'], maxFileSize: 1000 },
  compression: { compressorName: 'zstd', neverCompress: ['.zip'] },
}
const below = { sub: { ...emptyPolicy, files: { ignore: ['secret'] }, compression: { compressorName: 'gzip' } } }
let path: string

beforeAll(() => {
  path = scratch()
  for (const folder of ['out/deep', 'sub/inner', 'cache', 'more']) mkdirSync(join(path, folder), { recursive: true })
  const files = [
    'a.txt',
    'a.tmp',
    'a.zip',
    'out/deep/x',
    'sub/secret',
    'sub/inner/secret',
    'sub/keep',
    'cache/x',
    'more/b.tmp',
    'more/c.tmp',
  ]
  for (const file of files) writeFileSync(join(path, file), file)
  writeFileSync(join(path, 'cache/CACHEDIR.TAG'), 'Signature: 8a477f597d28d172789f06886806bc55\n')
  writeFileSync(join(path, 'more/.kopiaignore'), '# comment\n!b.tmp\n')
  writeFileSync(join(path, 'large'), Buffer.alloc(1001))
  execFileSync('mkfifo', [join(path, 'pipe')])
})

const source = () => ({ user: 'user', host: 'host', path })
const explain = (relative: string) => explainPath(source(), join(path, relative), policyTree(policyWith(rootPolicy), below))

describe('what becomes of a path', () => {
  it.each([
    ['', undefined, undefined, ''],
    ['a.txt', undefined, undefined, 'a.txt'],
    ['a.tmp', 'rule', '*.tmp', 'a.tmp'],
    ['out/deep/x', 'rule', '/out/', 'out'],
    ['sub/secret', 'rule', 'secret', 'sub/secret'],
    ['sub/inner/secret', 'rule', 'secret', 'sub/inner/secret'],
    ['sub/keep', undefined, undefined, 'sub/keep'],
    ['cache/x', 'cache', undefined, 'cache'],
    ['more/b.tmp', undefined, '!b.tmp', 'more/b.tmp'],
    ['more/c.tmp', 'rule', '*.tmp', 'more/c.tmp'],
    ['large', 'size', undefined, 'large'],
    ['pipe', 'type', undefined, 'pipe'],
  ])('%s', (relative, reason, rule, decidedAt) => {
    const verdict = explain(relative)
    expect([verdict.isKept, verdict.reason, verdict.rule?.text, verdict.decidedAt]).toEqual([
      reason === undefined,
      reason,
      rule,
      join(path, decidedAt),
    ])
  })

  it('says where the rule stands', () => {
    expect(explain('a.tmp').rule).toMatchObject({ from: 'policy', place: path })
    expect(explain('sub/secret').rule).toMatchObject({ from: 'policy', place: join(path, 'sub') })
    expect(explain('more/b.tmp').rule).toMatchObject({ from: 'file', place: join(path, 'more/.kopiaignore') })
  })

  it('gives the settings of the policy that is used there', () => {
    expect(explain('a.txt')).toMatchObject({ compressor: 'zstd', policyFolder: path })
    expect(explain('a.zip').compressor).toBe('')
    expect(explain('sub/keep')).toMatchObject({ compressor: 'gzip', metadataCompressor: '', policyFolder: join(path, 'sub') })
  })

  it('is what a snapshot does', async () => {
    const { repository } = await memoryRepository()
    const { snapshot } = await upload(repository, path, { policy: rootPolicy, below })
    const taken = await treeOf(repository, rootOf(snapshot))
    const all = execFileSync('find', [path, '-mindepth', '1', '-printf', '%P\n'], { encoding: 'utf8' }).trimEnd().split('\n')
    expect(all.length).toBeGreaterThan(15)
    for (const relative of all) expect([relative, explain(relative).isKept]).toEqual([relative, taken.has(relative)])
  })

  it('cannot be told outside of the source, or where nothing is', () => {
    expect(() => explainPath(source(), '/elsewhere', policyTree(policyWith({})))).toThrow(UsageError)
    expect(() => explain('missing')).toThrow('there is no such file')
  })
})
