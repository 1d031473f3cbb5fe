import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CancelledError } from '#base/errors.ts'
import type { UploadObserver } from '#snapshot/upload/request.ts'
import { scratchFolders } from '../../support/scratch.ts'
import { contentOf, memoryRepository, rootOf, treeOf, upload, Watcher } from '../memory-repository.ts'

const scratch = scratchFolders()
const unhandled: unknown[] = []
const note = (error: unknown) => void unhandled.push(error)
beforeEach(() => void process.on('unhandledRejection', note))
afterEach(async () => {
  await sleep(20)
  process.off('unhandledRejection', note)
  expect(unhandled.splice(0)).toEqual([])
})

const openFiles = (): number => readdirSync('/proc/self/fd').length

function randomFile(path: string, sizeBytes: number): void {
  // Real noise, so that no two parts of it are stored as one.
  writeFileSync(path, randomBytes(sizeBytes))
}

function manyFiles(count: number, sizeBytes: number): string {
  const source = scratch()
  for (let i = 0; i < count; i++) {
    mkdirSync(join(source, `d${i % 7}`), { recursive: true })
    writeFileSync(join(source, `d${i % 7}/${i}`), Buffer.alloc(sizeBytes, i))
  }
  return source
}

describe('an upload that is stopped', () => {
  it('by the upload limit keeps what it has, says why in every folder, and leaves the rest to the next', async () => {
    const { repository } = await memoryRepository()
    // No folder is done before the limit is reached.
    const source = manyFiles(700, 10_000)
    const { snapshot } = await upload(repository, source, { uploadLimitBytes: 500_000 })
    expect(snapshot.incomplete).toBe('limit reached')
    const tree = await treeOf(repository, rootOf(snapshot))
    for (const [path, entry] of tree) if (entry.type === 'd') expect(entry.summary?.incomplete, path).toBe('limit reached')
    const files = [...tree.values()].filter((e) => e.type === 'f')
    expect(files.length).toBeGreaterThanOrEqual(50)
    expect(files.length).toBeLessThan(60)
    expect(rootOf(snapshot).summary).toMatchObject({ fatalErrorCount: 0, ignoredErrorCount: 0, fileCount: files.length })
    const watcher = new Watcher()
    const next = await upload(repository, source, { previous: [snapshot], observer: watcher })
    expect(next.snapshot.incomplete).toBeUndefined()
    expect(watcher.reused).toHaveLength(files.length)
    expect(watcher.read).toHaveLength(700 - files.length)
  })

  it('by the upload limit leaves out a large file that it was reading', async () => {
    const { repository } = await memoryRepository()
    const source = scratch()
    randomFile(join(source, 'large'), 12 << 20)
    const { snapshot } = await upload(repository, source, { uploadLimitBytes: 2 << 20 })
    expect(snapshot.incomplete).toBe('limit reached')
    expect([...(await treeOf(repository, rootOf(snapshot))).keys()]).toEqual([''])
    expect(rootOf(snapshot).summary?.fatalErrorCount).toBe(0)
  })

  it('by a signal before, in the middle or in a large file keeps what it has', async () => {
    const { repository } = await memoryRepository()
    const source = manyFiles(100, 100)
    randomFile(join(source, 'large'), 8 << 20)
    const before = await upload(repository, source, { signal: AbortSignal.abort() })
    expect(before.snapshot.incomplete).toBe('canceled')
    expect([...(await treeOf(repository, rootOf(before.snapshot))).keys()]).toEqual([''])
    const open = openFiles()
    for (const trigger of ['hashed', 'hashedBytes', 'directory'] as const) {
      const controller = new AbortController()
      const observer: UploadObserver = { [trigger]: () => controller.abort() }
      const { snapshot } = await upload(repository, source, { signal: controller.signal, observer })
      expect(snapshot.incomplete).toBe('canceled')
      const tree = await treeOf(repository, rootOf(snapshot))
      // How much was under way at that moment, and so was finished, is a matter of luck.
      const files = [...tree.values()].filter((e) => e.type === 'f')
      for (const file of files) expect((await contentOf(repository, file)).length).toBe(file.sizeBytes)
      expect(rootOf(snapshot).summary?.fatalErrorCount).toBe(0)
      const watcher = new Watcher()
      const next = await upload(repository, source, { previous: [snapshot], observer: watcher })
      expect(next.snapshot.incomplete).toBeUndefined()
      expect(watcher.reused).toHaveLength(files.length)
      expect(watcher.read).toHaveLength(101 - files.length)
    }
    await vi.waitFor(() => expect(openFiles()).toBeLessThanOrEqual(open + 1), { timeout: 60_000 })
  })

  it('in the middle of a single file has nothing to keep', async () => {
    const { repository } = await memoryRepository()
    const file = join(scratch(), 'file')
    randomFile(file, 6 << 20)
    const controller = new AbortController()
    const observer = { hashedBytes: () => controller.abort() }
    await expect(upload(repository, file, { signal: controller.signal, observer })).rejects.toThrow(CancelledError)
    await expect(upload(repository, file, { uploadLimitBytes: 1 })).rejects.toThrow('limit reached')
  })
})

describe('a large file', () => {
  it('in parts gives the bytes of the whole, whatever the parts', async () => {
    const { repository } = await memoryRepository()
    const source = scratch()
    randomFile(join(source, 'file'), 4_000_000)
    const whole = await treeOf(repository, rootOf((await upload(repository, source)).snapshot))
    const wanted = await contentOf(repository, whole.get('file'))
    for (const parallelUploadAboveSize of [3_999_999, 2_000_000, 1_000_000, 333_333]) {
      const { snapshot } = await upload(repository, source, { policy: { upload: { parallelUploadAboveSize } }, parallel: 3 })
      const entry = (await treeOf(repository, rootOf(snapshot))).get('file')
      expect(entry?.objectId).toMatch(/^I+x/)
      expect(entry?.sizeBytes).toBe(4_000_000)
      expect((await contentOf(repository, entry)).equals(wanted)).toBe(true)
      expect(snapshot.stats).toMatchObject({
        fileCount: Math.floor(4_000_000 / parallelUploadAboveSize) + 1,
        totalBytes: 4_000_000,
        nonCachedFileCount: 1,
      })
    }
    for (const parallelUploadAboveSize of [4_000_000, 0, -1]) {
      const { snapshot } = await upload(repository, source, { policy: { upload: { parallelUploadAboveSize } } })
      expect((await treeOf(repository, rootOf(snapshot))).get('file')?.objectId).toBe(whole.get('file')?.objectId)
    }
  })

  it('below the size that is read at once is split all the same', async () => {
    const { repository } = await memoryRepository()
    const source = scratch()
    randomFile(join(source, 'file'), 10_000)
    const { snapshot } = await upload(repository, source, { policy: { upload: { parallelUploadAboveSize: 4000 } } })
    const entry = (await treeOf(repository, rootOf(snapshot))).get('file')
    expect(entry?.objectId).toMatch(/^Ix/)
    expect(snapshot.stats.fileCount).toBe(3)
  })
})
