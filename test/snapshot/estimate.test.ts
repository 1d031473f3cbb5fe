import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { UsageError } from '#base/errors.ts'
import { estimate } from '#snapshot/estimate.ts'
import { scratchFolders } from '../support/scratch.ts'
import { asOrdinaryUser, ordinaryOwner, policyTree, policyWith, whyNoOrdinaryUser } from './memory-repository.ts'

const scratch = scratchFolders()
const options = { maxExamples: 10 }
const defaults = policyTree(policyWith({}))

describe('an estimate', () => {
  it('puts files into buckets by their size, largest first, and does not count links', async () => {
    const source = scratch()
    for (const size of [0, 999, 1000, 9999, 10_000]) writeFileSync(join(source, `${size}`), Buffer.alloc(size))
    symlinkSync('0', join(source, 'link'))
    const result = await estimate(source, defaults, options)
    expect(result.included.map((b) => b.minBytes)).toEqual([...Array.from({ length: 13 }, (_, i) => 10 ** (15 - i)), 0])
    const filled = result.included.filter((b) => b.count > 0).map((b) => [b.minBytes, b.count, b.totalBytes])
    expect(filled).toEqual([
      [10_000, 1, 10_000],
      [1000, 2, 10_999],
      [0, 2, 999],
    ])
    expect(result).toMatchObject({ includedCount: 5, includedBytes: 21_998, excludedCount: 0, errorCount: 0 })
  })

  it('counts what rules leave out, with at most so many examples', async () => {
    const source = scratch()
    mkdirSync(join(source, 'cache'))
    mkdirSync(join(source, 'sub/tmp'), { recursive: true })
    for (let i = 0; i < 20; i++) writeFileSync(join(source, `${i}.log`), 'log')
    for (const name of ['keep', 'cache/x', 'sub/tmp/y']) writeFileSync(join(source, name), 'x')
    const tree = policyTree(policyWith({ files: { ignore: ['*.log', 'cache/', 'tmp'] } }))
    const result = await estimate(source, tree, { maxExamples: 3 })
    expect(result).toMatchObject({ includedCount: 1, excludedCount: 20, excludedBytes: 60, excludedDirectoryCount: 2 })
    expect(result.excluded.at(-1)?.examples).toHaveLength(3)
    expect(result.excludedDirectories.sort()).toEqual(['cache', 'sub/tmp'])
  })

  it('counts a cache as an excluded folder, also when it is the whole source', async () => {
    const source = scratch()
    mkdirSync(join(source, 'cache'))
    for (const name of ['cache/x', 'y']) writeFileSync(join(source, name), 'x')
    writeFileSync(join(source, 'cache/CACHEDIR.TAG'), 'Signature: 8a477f597d28d172789f06886806bc55\n')
    const found = { excludedCount: 0, excludedDirectoryCount: 1 }
    expect(await estimate(source, defaults, options)).toMatchObject({ ...found, includedCount: 1, excludedDirectories: ['cache'] })
    expect(await estimate(join(source, 'cache'), defaults, options)).toMatchObject({
      ...found,
      includedCount: 0,
      excludedDirectories: ['.'],
    })
  })

  it('of a single file is that file, and of anything else is refused', async () => {
    const file = join(scratch(), 'file')
    writeFileSync(file, 'xyz')
    expect(await estimate(file, defaults, options)).toMatchObject({ includedCount: 1, includedBytes: 3 })
    await expect(estimate('/dev/null', defaults, options)).rejects.toThrow(UsageError)
    await expect(estimate(join(scratch(), 'missing'), defaults, options)).rejects.toThrow('ENOENT')
  })

  it('ends early when it is stopped', async () => {
    const source = scratch()
    writeFileSync(join(source, 'x'), '')
    expect((await estimate(source, defaults, { ...options, signal: AbortSignal.abort() })).includedCount).toBe(0)
  })

  it.skipIf(whyNoOrdinaryUser !== undefined)(
    `counts what cannot be looked at as errors${whyNoOrdinaryUser ? ` (skipped: ${whyNoOrdinaryUser})` : ''}`,
    async () => {
      const source = scratch()
      for (const name of ['locked', 'unsearchable']) mkdirSync(join(source, name))
      writeFileSync(join(source, 'unsearchable/file'), 'x')
      writeFileSync(join(source, 'good'), 'x')
      for (const name of ['', 'locked', 'unsearchable']) chownSync(join(source, name), ordinaryOwner, ordinaryOwner)
      chmodSync(join(source, 'locked'), 0)
      chmodSync(join(source, 'unsearchable'), 0o400)
      const errors: string[] = []
      const tree = policyTree(policyWith({ files: { oneFileSystem: true } }))
      const result = await asOrdinaryUser(() => estimate(source, tree, { ...options, onError: (path) => errors.push(path) }))
      expect(errors.sort()).toEqual(['locked', 'unsearchable/file'])
      expect(result).toMatchObject({ errorCount: 2, includedCount: 1 })
    },
  )
})
