import { randomBytes } from 'node:crypto'
import { closeSync, ftruncateSync, mkdirSync, openSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { BlobInfo, BlobStorage, PutOptions } from '#repo/blob/storage.ts'
import { ForwardingStorage } from '#repo/blob/wrap/forward.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { listSnapshots } from '#snapshot/model/snapshots.ts'
import type { UploadObserver } from '#snapshot/upload/request.ts'
import { scratchFolders } from '../../support/scratch.ts'
import { memoryRepository, openAgain, rootOf, treeOf, upload, Watcher } from '../memory-repository.ts'

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

/** Fails every write of packs after the first few. */
class Failing extends ForwardingStorage {
  left = Number.POSITIVE_INFINITY
  override put(id: string, parts: readonly Uint8Array[], options?: PutOptions): Promise<BlobInfo> {
    if (id.startsWith('p') && this.left-- <= 0) return Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' }))
    return this.inner.put(id, parts, options)
  }
}

describe('an upload whose storage fails', () => {
  async function failing(left: number) {
    let storage: Failing | undefined
    const { repository } = await memoryRepository({
      wrap: (inner: BlobStorage) => {
        storage = new Failing(inner)
        return storage
      },
    })
    if (storage) storage.left = left
    return repository
  }

  it('rejects with the failure when a large file is being written, and closes its files', async () => {
    const repository = await failing(1)
    const source = scratch()
    for (let i = 0; i < 6; i++) randomFile(join(source, `large${i}`), (24 << 20) + i)
    const open = openFiles()
    await expect(upload(repository, source, { parallel: 3 })).rejects.toThrow('no space left')
    await vi.waitFor(() => expect(openFiles()).toBeLessThanOrEqual(open + 1), { timeout: 60_000 })
  })

  it('rejects with the failure when parts of a file are being written', async () => {
    const repository = await failing(1)
    const file = join(scratch(), 'large')
    randomFile(file, 64 << 20)
    const open = openFiles()
    await expect(upload(repository, file, { policy: { upload: { parallelUploadAboveSize: 4 << 20 } }, parallel: 4 })).rejects.toThrow(
      'no space',
    )
    await vi.waitFor(() => expect(openFiles()).toBeLessThanOrEqual(open + 1), { timeout: 60_000 })
  })

  it('rejects with the failure in the middle of thousands of small files', async () => {
    const repository = await failing(0)
    const source = manyFiles(700, 40_000)
    for (let i = 0; i < 700; i++) randomFile(join(source, `d${i % 7}/r${i}`), 30_000 + i * 4)
    await expect(upload(repository, source)).rejects.toThrow('no space left')
  })
})

/** Makes uploads stop in the middle of large files until two checkpoints have been made there, or `isOver`: how fast the machine is does not
 *  matter. */
function holdInTheMiddle(repository: DirectRepository, checkpoints: () => number, isOver: () => boolean = () => false): void {
  const create = repository.objects.createWriter.bind(repository.objects)
  let bytes = 0
  let before: number | undefined
  repository.objects.createWriter = (options) => {
    const writer = create(options)
    const fill = writer.fill.bind(writer)
    const held = async (into: Buffer, read: (into: Buffer) => Promise<number>): Promise<number> => {
      if (bytes > 36 << 20) before ??= checkpoints()
      while (before !== undefined && checkpoints() < before + 2 && !isOver()) await sleep(5)
      const got = await read(into)
      bytes += got
      return got
    }
    writer.fill = (read) => fill((into) => held(into, read))
    return writer
  }
}

describe('checkpoints', () => {
  it('make what is finished and what is begun reachable, without names that a later run would take', async () => {
    const { repository, blobs } = await memoryRepository()
    const source = scratch()
    mkdirSync(join(source, 'sub/deep'), { recursive: true })
    writeFileSync(join(source, 'sub/small'), 'small')
    randomFile(join(source, 'sub/deep/large'), 64 << 20)
    const watcher = new Watcher()
    holdInTheMiddle(repository, () => watcher.checkpoints.length)
    const { snapshot } = await upload(repository, source, { checkpointIntervalMs: 20, observer: watcher, parallel: 1 })
    expect(snapshot.incomplete).toBeUndefined()
    expect(watcher.notes).toEqual([])
    expect(watcher.checkpoints.length).toBeGreaterThan(0)
    // Another client sees them, although this one has not been flushed since.
    const other = await openAgain(blobs)
    const found = await listSnapshots(other, { source: { user: 'user', host: 'host', path: source } })
    expect(found.length).toBeGreaterThan(0)
    let unfinished = 0
    for (const checkpoint of found) {
      expect(checkpoint).toMatchObject({ incomplete: 'checkpoint', startNs: snapshot.startNs })
      expect(checkpoint.stats).toMatchObject({ fileCount: 0, totalBytes: 0 })
      expect(rootOf(checkpoint).summary?.incomplete).toBe('checkpoint')
      const tree = await treeOf(other, rootOf(checkpoint))
      for (const [path, entry] of tree) {
        if (entry.type !== 'f') continue
        if (path.includes('.checkpointed.')) {
          expect(path).toMatch(/^sub\/deep\/\.checkpointed\.large\.[0-9a-f-]{36}$/)
          expect(entry.sizeBytes).toBe(64 << 20)
          const reader = await other.objects.open(entry.objectId as ObjectId)
          // The last one may have come when all was stored but the end of the file.
          expect(reader.sizeBytes).toBeLessThanOrEqual(64 << 20)
          expect(reader.sizeBytes).toBeGreaterThan(0)
          if (reader.sizeBytes < 64 << 20) unfinished++
          reader.close()
        } else expect(await other.objects.isPresent(entry.objectId as ObjectId)).toBe(true)
      }
    }
    expect(unfinished).toBeGreaterThan(0)
  })

  it('let the next run take what was finished', async () => {
    const { repository } = await memoryRepository()
    const source = scratch()
    writeFileSync(join(source, 'small'), 'small')
    randomFile(join(source, 'large'), 64 << 20)
    const controller = new AbortController()
    let count = 0
    const observer: UploadObserver = {
      checkpoint: () => {
        if (++count === 2) controller.abort()
      },
    }
    const isOver = () => controller.signal.aborted
    holdInTheMiddle(repository, () => count, isOver)
    await upload(repository, source, { checkpointIntervalMs: 20, observer, signal: controller.signal, parallel: 1 })
    const previous = await listSnapshots(repository, { source: { user: 'user', host: 'host', path: source } })
    expect(previous.length).toBeGreaterThan(0)
    const watcher = new Watcher()
    await upload(repository, source, { previous, observer: watcher })
    expect(watcher.reused).toEqual(['small'])
    expect(watcher.read).toEqual(['large'])
  })

  it.each([1 << 30, 16 << 20])(
    'of a single file are folders with what there is of it, in parts of up to %i bytes',
    async (parallelUploadAboveSize) => {
      const { repository } = await memoryRepository()
      const file = join(scratch(), 'only')
      randomFile(file, 64 << 20)
      const watcher = new Watcher()
      holdInTheMiddle(repository, () => watcher.checkpoints.length)
      const policy = { upload: { parallelUploadAboveSize } }
      const { snapshot } = await upload(repository, file, { checkpointIntervalMs: 20, observer: watcher, policy, parallel: 2 })
      expect(rootOf(snapshot).type).toBe('f')
      expect(watcher.notes).toEqual([])
      expect(watcher.checkpoints.length).toBeGreaterThan(0)
      const source = { user: 'user', host: 'host', path: file }
      const [checkpoint] = await listSnapshots(repository, { source })
      if (!checkpoint) throw new Error('no checkpoint was kept')
      expect(rootOf(checkpoint)).toMatchObject({ type: 'd', name: 'only' })
      const names = [...(await treeOf(repository, rootOf(checkpoint))).keys()].filter((n) => n !== '')
      for (const name of names) expect(name).toMatch(/^\.checkpointed\./)
    },
  )

  it('that cannot be saved cancel the upload', async () => {
    const { repository } = await memoryRepository()
    const source = scratch()
    randomFile(join(source, 'large'), 64 << 20)
    const broken = Object.create(repository) as typeof repository
    broken.flush = () => Promise.reject(new Error('the storage is away'))
    const watcher = new Watcher()
    holdInTheMiddle(
      repository,
      () => 0,
      () => watcher.notes.length > 0,
    )
    const { snapshot } = await upload(broken, source, { checkpointIntervalMs: 20, observer: watcher, parallel: 1 })
    expect(snapshot.incomplete).toBe('canceled')
    expect(watcher.notes).toEqual([expect.stringContaining('the storage is away')])
  })
})

describe('a large file', () => {
  it('is one of many: no more of them are open than are read at once', async () => {
    const { repository } = await memoryRepository()
    const source = scratch()
    for (let i = 0; i < 300; i++) {
      const fd = openSync(join(source, `${i}`), 'w')
      ftruncateSync(fd, 1 << 20)
      closeSync(fd)
    }
    const before = openFiles()
    let most = 0
    const observer = { hashed: () => void (most = Math.max(most, openFiles())) }
    const { snapshot } = await upload(repository, source, { parallel: 4, observer })
    expect(rootOf(snapshot).summary?.fileCount).toBe(300)
    expect(most - before).toBeLessThan(30)
  })
})
