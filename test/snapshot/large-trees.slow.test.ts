import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { diffTrees } from '#snapshot/diff.ts'
import { estimate } from '#snapshot/estimate.ts'
import { defaultRestoreOptions } from '#snapshot/restore/options.ts'
import { restoreTree } from '#snapshot/restore/run.ts'
import { scratchFolders } from '../support/scratch.ts'
import { memoryRepository, policyTree, policyWith, rootOf, treeOf, upload, Watcher } from './memory-repository.ts'

const scratch = scratchFolders()
const made: string[] = []
const largeFolder = (): string => {
  const path = scratch()
  made.push(path)
  return path
}
afterEach(() => void execFileSync('rm', ['-rf', ...made.splice(0)]))
let repository: DirectRepository
beforeAll(async () => {
  ;({ repository } = await memoryRepository())
})
const restore = (root: Parameters<typeof restoreTree>[0]['root'], target: string) =>
  restoreTree({ repository, root, target, options: defaultRestoreOptions })

describe('a folder of 20,000 small files', () => {
  it('is uploaded, taken over, estimated and restored', async () => {
    const source = largeFolder()
    for (let i = 0; i < 20_000; i++) writeFileSync(join(source, `file ${i}`), `contents of ${i}`)
    const first = await upload(repository, source)
    expect(rootOf(first.snapshot).summary).toMatchObject({ fileCount: 20_000, fatalErrorCount: 0 })
    const watcher = new Watcher()
    const second = await upload(repository, source, { previous: [first.snapshot], observer: watcher })
    expect(watcher.read).toEqual([])
    expect(watcher.reused).toHaveLength(20_000)
    expect(rootOf(second.snapshot).objectId).toBe(rootOf(first.snapshot).objectId)
    expect((await estimate(source, policyTree(policyWith({})), { maxExamples: 0 })).includedCount).toBe(20_000)
    const target = join(largeFolder(), 'target')
    const { failures, counters } = await restore(rootOf(first.snapshot), target)
    expect(failures).toEqual([])
    expect(counters.files).toBe(20_000)
    expect(readdirSync(target)).toHaveLength(20_000)
    expect(readFileSync(join(target, 'file 12345'), 'utf8')).toBe('contents of 12345')
  })
})

describe('a tree of 1,000 levels', () => {
  const levels = 1000
  const below = (root: string, depth: number) => join(root, ...Array<string>(depth).fill('d'))

  it('is uploaded with checkpoints, compared, estimated and restored', async () => {
    const source = largeFolder()
    mkdirSync(below(source, levels), { recursive: true })
    writeFileSync(join(below(source, levels), 'f'), 'at the bottom')
    for (let i = 0; i < levels; i += 100) symlinkSync('x', join(below(source, i), 'l'))
    const watcher = new Watcher()
    const { snapshot } = await upload(repository, source, { checkpointIntervalMs: 50, observer: watcher })
    expect(watcher.notes).toEqual([])
    expect(rootOf(snapshot).summary).toMatchObject({ directoryCount: levels + 1, fileCount: 1, symlinkCount: 10, fatalErrorCount: 0 })
    writeFileSync(join(below(source, levels), 'f'), 'changed at the bottom')
    const changed = await upload(repository, source, { previous: [snapshot] })
    const events: string[] = []
    await diffTrees(repository, rootOf(snapshot), rootOf(changed.snapshot), (e) => void (e.kind === 'changed' && events.push(e.path)))
    expect(events).toEqual([`.${'/d'.repeat(levels)}/f`])
    expect((await estimate(source, policyTree(policyWith({})), { maxExamples: 1 })).includedCount).toBe(1)
    const target = join(largeFolder(), 't')
    expect((await restore(rootOf(snapshot), target)).failures).toEqual([])
    expect(readFileSync(join(below(target, levels), 'f'), 'utf8')).toBe('at the bottom')
  })
})

it('hundreds of folders side by side and within each other are all walked', async () => {
  const source = largeFolder()
  for (let i = 0; i < 200; i++) {
    mkdirSync(join(source, `${i}/a/b/c`), { recursive: true })
    for (const part of ['', 'a', 'a/b', 'a/b/c']) writeFileSync(join(source, `${i}`, part, 'f'), `${i} ${part}`)
  }
  const { snapshot } = await upload(repository, source)
  expect(rootOf(snapshot).summary).toMatchObject({ directoryCount: 801, fileCount: 800, fatalErrorCount: 0 })
  expect((await treeOf(repository, rootOf(snapshot))).size).toBe(1601)
  const target = join(largeFolder(), 't')
  expect((await restore(rootOf(snapshot), target)).failures).toEqual([])
  expect(lstatSync(join(target, '199/a/b/c/f')).size).toBe(9)
})
