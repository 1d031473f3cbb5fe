import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { messageOf } from '#base/errors.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { blobLengths, ObjectChecker } from '#snapshot/verify/object-checker.ts'
import { type VerifyTreesOptions, verifyTrees } from '#snapshot/verify/trees.ts'
import { scratchFolders } from '../../support/scratch.ts'
import { memoryRepository, rootOf, upload } from '../memory-repository.ts'

const scratch = scratchFolders()
let repository: DirectRepository
let entry: DirectoryEntry

beforeAll(async () => {
  const source = scratch()
  mkdirSync(join(source, 'sub'))
  for (const name of ['a', 'b', 'sub/c']) writeFileSync(join(source, name), `file ${name}`)
  writeFileSync(join(source, 'sub/same'), 'file a')
  writeFileSync(join(source, 'large'), randomBytes(2_000_000))
  repository = (await memoryRepository()).repository
  entry = rootOf((await upload(repository, source)).snapshot)
  await repository.flush()
})

async function run(options: Partial<VerifyTreesOptions> = {}, change: (blobs: Map<string, number>) => void = () => undefined) {
  const blobs = (await blobLengths(repository)) as Map<string, number>
  change(blobs)
  const said: string[] = []
  const result = await verifyTrees(repository, new ObjectChecker(repository, blobs), [{ path: 'root', entry }], {
    readPercent: 0,
    fileParallelism: 2,
    queueLength: 3,
    maxErrors: 0,
    onError: (path, error) => said.push(`${path}: ${messageOf(error)}`),
    ...options,
  })
  return { ...result, said }
}

const withoutData = (blobs: Map<string, number>) => {
  for (const id of blobs.keys()) if (id.startsWith('p')) blobs.delete(id)
}

describe('verifyTrees', () => {
  test('counts every object once, and what the summaries promise', async () => {
    const { stats, errorCount } = await run()
    expect(errorCount).toBe(0)
    expect(stats).toMatchObject({ processedObjectCount: 6, readFileCount: 0, expectedTotalObjectCount: 7, expectedTotalFileCount: 5 })
    expect(stats.processedBytes).toBe(2_000_000 + 6 + 6 + 10)
  })

  test('reads all files when asked, and a share of them otherwise', async () => {
    expect((await run({ readPercent: 100 })).stats).toMatchObject({ readFileCount: 4, readBytes: 2_000_022 })
    let turn = 0
    expect((await run({ readPercent: 50, random: () => (turn++ % 2 === 0 ? 0.1 : 0.9) })).stats.readFileCount).toBe(2)
  })

  test('names missing and truncated packs', async () => {
    const { said } = await run({ maxErrors: -1 }, withoutData)
    expect(said).toHaveLength(4)
    expect(said.join('\n')).toMatch(/root\/a: object \S+ is backed by missing blob p/)
    const short = await run({ maxErrors: -1 }, (blobs) => {
      for (const id of blobs.keys()) if (id.startsWith('p')) blobs.set(id, 10)
    })
    expect(short.said.join('\n')).toMatch(/is backed by truncated blob p\S+ \(10 bytes\)/)
  })

  test.each([
    [0, 1],
    [2, 2],
    [-1, 4],
  ])('with --max-errors=%d reports %d errors', async (maxErrors, count) => {
    expect((await run({ maxErrors }, withoutData)).errorCount).toBe(count)
  })

  test('a directory that is not there is an error of its own', async () => {
    const gone = { ...entry, objectId: `k${'0'.repeat(32)}` as DirectoryEntry['objectId'] }
    const checker = new ObjectChecker(repository, undefined)
    const options = { readPercent: 0, fileParallelism: 1, queueLength: 1, maxErrors: 0 }
    const { errors, stats } = await verifyTrees(repository, checker, [{ path: 'root', entry: gone }], options)
    expect(messageOf(errors[0])).toMatch(/^error reading directory: unable to open object: k0+: /)
    expect(stats.processedObjectCount).toBe(1)
  })
})
