import { describe, expect, test } from 'vitest'
import { BlobNotFoundError, ReadOnlyStorageError, StorageError, TransientStorageError } from '#repo/blob/errors.ts'
import { memoryStorage, type StoredBlob } from '#repo/blob/memory.ts'
import type { BlobInfo, BlobStorage, PutOptions } from '#repo/blob/storage.ts'
import { ForwardingStorage } from '#repo/blob/wrap/forward.ts'
import { guarded } from '#repo/blob/wrap/guard.ts'
import { logged, type StorageCall } from '#repo/blob/wrap/log.ts'
import { LatencyHistogram, metered, StorageMetrics } from '#repo/blob/wrap/metrics.ts'
import { readOnly } from '#repo/blob/wrap/read-only.ts'
import { retained } from '#repo/blob/wrap/retention.ts'
import { retrying } from '#repo/blob/wrap/retry.ts'
import { noLimits, Throttle, throttled } from '#repo/blob/wrap/throttle.ts'
import { conformance, listed } from '../../support/blob-conformance.ts'

/** Changes go to the storage inside, so that the suite can fill it; all else goes through the read-only wrapper. */
class FilledFromOutside extends ForwardingStorage {
  constructor(private readonly filled: BlobStorage) {
    super(readOnly(filled))
  }
  override put(id: string, parts: readonly Uint8Array[], options?: PutOptions): Promise<BlobInfo> {
    return this.filled.put(id, parts, options)
  }
  override delete(id: string): Promise<void> {
    return this.filled.delete(id)
  }
}
conformance('read-only', async () => new FilledFromOutside(memoryStorage()))

/** Fails the first `failures` calls of each kind with `error`, and remembers what puts asked for. */
class Flaky extends ForwardingStorage {
  calls = 0
  readonly puts: (PutOptions | undefined)[] = []
  constructor(
    private failures: number,
    private readonly error: Error,
  ) {
    super(memoryStorage())
  }
  private fail(): void {
    this.calls++
    if (this.failures-- > 0) throw this.error
  }
  override async get(id: string): Promise<Buffer> {
    this.fail()
    return this.inner.get(id)
  }
  override async put(id: string, parts: readonly Uint8Array[], options?: PutOptions): Promise<BlobInfo> {
    this.fail()
    this.puts.push(options)
    const { retention: _, ...rest } = options ?? {}
    return this.inner.put(id, parts, rest)
  }
}

describe('readOnly', () => {
  test('refuses every change and keeps capacity', async () => {
    const inner = memoryStorage()
    await inner.put('a', [Buffer.from('x')])
    const extras = { capacity: async () => ({ totalBytes: 2n, freeBytes: 1n }), extendRetention: async () => undefined }
    const storage = readOnly(Object.assign(memoryStorage(), { extras }))
    await expect(storage.put('b', [])).rejects.toThrow(ReadOnlyStorageError)
    await expect(storage.delete('a')).rejects.toThrow(/storage is read-only/)
    await expect(storage.extras.extendRetention?.('a', 'COMPLIANCE', 1n)).rejects.toThrow(ReadOnlyStorageError)
    expect(await storage.extras.capacity?.()).toEqual({ totalBytes: 2n, freeBytes: 1n })
    expect(readOnly(memoryStorage()).extras.extendRetention).toBeUndefined()
  })
})

describe('retrying', () => {
  test('tries again with growing sleeps until it works', async () => {
    const sleeps: number[] = []
    const inner = new Flaky(4, new TransientStorageError('busy'))
    const storage = retrying({ sleep: async (ms) => sleeps.push(ms) })(inner)
    await storage.put('a', [Buffer.from('x')])
    expect(sleeps).toEqual([100, 150, 225, 337.5])
    expect((await storage.get('a')).toString()).toBe('x')
  })

  test('gives up after ten attempts and says so', async () => {
    const inner = new Flaky(100, new TransientStorageError('busy'))
    await expect(retrying({ sleep: async () => undefined })(inner).get('a')).rejects.toThrow(/despite 10 retries: busy/)
    expect(inner.calls).toBe(10)
  })

  test('never sleeps longer than the cap', async () => {
    const sleeps: number[] = []
    const inner = new Flaky(20, new TransientStorageError('busy'))
    await expect(retrying({ attempts: 20, maxSleepMs: 300, sleep: async (ms) => sleeps.push(ms) })(inner).get('a')).rejects.toThrow()
    expect(Math.max(...sleeps)).toBe(300)
  })

  test.each([new StorageError('final'), new BlobNotFoundError('a'), new Error('bug')])('does not try again after %s', async (error) => {
    const inner = new Flaky(1, error)
    await expect(retrying()(inner).get('a')).rejects.toBe(error)
    expect(inner.calls).toBe(1)
  })
})

describe('retained', () => {
  test('locks packs, indexes and central blobs, and nothing else', async () => {
    const setting = { mode: 'COMPLIANCE', periodNs: 86_400_000_000_000n }
    const inner = new Flaky(0, new Error())
    const storage = retained(() => setting)(inner)
    const lockedIds = ['p1', 'q1', 'n1', 'xn0_1', 'kopia.repository', 'kopia.repository.backup.me', 'kopia.blobcfg']
    const freeIds = ['s1', '_log_1', 'm1', 'l1', 'kopia.maintenance']
    for (const id of [...lockedIds, ...freeIds]) await storage.put(id, [], { modifiedMs: 5 })
    expect(inner.puts.map((o) => o?.retention)).toEqual([...lockedIds.map(() => setting), ...freeIds.map(() => undefined)])
    expect(inner.puts.every((o) => o?.modifiedMs === 5)).toBe(true)
  })
})

describe('guarded', () => {
  test('asks before get, stat, put and delete, not before listings, and fails with what the check throws', async () => {
    const blobs = new Map<string, StoredBlob>()
    await memoryStorage(undefined, blobs).put('a', [])
    const storage = guarded(async () => {
      throw new Error('locked')
    })(memoryStorage(undefined, blobs))
    await expect(storage.get('a')).rejects.toThrow('locked')
    await expect(storage.stat('a')).rejects.toThrow('locked')
    await expect(storage.put('b', [])).rejects.toThrow('locked')
    await expect(storage.delete('a')).rejects.toThrow('locked')
    expect(await listed(storage, '')).toEqual(['a'])
  })
})

describe('logged', () => {
  test('tells of every call, failed ones and listings left early included', async () => {
    const calls: StorageCall[] = []
    let now = 0
    const storage = logged(
      (call) => calls.push(call),
      () => now++,
    )(memoryStorage())
    await storage.put('a', [Buffer.from('xy'), Buffer.from('z')])
    await storage.put('b', [])
    await storage.get('a', { offset: 1, length: 2 })
    await expect(storage.stat('c')).rejects.toThrow(BlobNotFoundError)
    for await (const _ of storage.list('')) break
    await storage.delete('a')
    expect(calls).toEqual([
      { operation: 'put', blob: 'a', sizeBytes: 3, durationMs: 1 },
      { operation: 'put', blob: 'b', sizeBytes: 0, durationMs: 1 },
      { operation: 'get', blob: 'a', range: { offset: 1, length: 2 }, sizeBytes: 2, durationMs: 1 },
      { operation: 'stat', blob: 'c', durationMs: 1, error: expect.any(BlobNotFoundError) },
      { operation: 'list', prefix: '', resultCount: 1, durationMs: 1 },
      { operation: 'delete', blob: 'a', durationMs: 1 },
    ])
  })
})

/** All wrappers that a connection has, in their order. */
const wholeStack = (inner: BlobStorage): BlobStorage => {
  const stack = [
    retrying({ firstSleepMs: 1 }),
    metered(new StorageMetrics()),
    throttled(new Throttle()),
    retained(() => undefined),
    guarded(() => undefined),
    logged(() => undefined),
  ]
  return stack.reduce((below, wrap) => wrap(below), inner)
}
conformance('the whole stack of wrappers', async () => wholeStack(memoryStorage()))
conformance('metered', async () => metered(new StorageMetrics())(memoryStorage()))

/** A storage whose blobs are files of their own: descriptor 7, all of them. */
function withOwnFiles(): BlobStorage {
  class Files extends ForwardingStorage {
    override get extras(): BlobStorage['extras'] {
      return { withFile: (_id, use) => use(7) }
    }
  }
  return new Files(memoryStorage())
}

test('what is read from the own file of a blob keeps to the limits, also to those set later', async () => {
  const waits: number[] = []
  const throttle = new Throttle(noLimits, { nowMs: () => 0, sleep: async (ms) => waits.push(ms) })
  const { withFile } = throttled(throttle)(withOwnFiles()).extras
  await withFile?.('p1', async (fd) => fd, 1_000_000)
  expect(waits).toEqual([])
  throttle.update({ ...noLimits, maxDownloadSpeedBytesPerSecond: 1000 })
  await withFile?.('p1', async (fd) => fd, 7000)
  expect(waits).toEqual([1000])
})

describe('metrics', () => {
  test('count bytes, items, calls and errors by the names of the reference', async () => {
    const metrics = new StorageMetrics()
    const storage = metered(metrics)(memoryStorage())
    await storage.put('a', [Buffer.alloc(10), Buffer.alloc(5)])
    await storage.put('b', [Buffer.alloc(1)])
    await storage.get('a')
    await storage.get('a', { offset: 2, length: 4 })
    await listed(storage, '')
    await expect(storage.get('absent')).rejects.toThrow(BlobNotFoundError)
    await expect(storage.get('a', { offset: 14, length: 4 })).rejects.toThrow()
    expect(metrics).toMatchObject({ uploadedBytes: 16, downloadedFullBytes: 15, downloadedPartialBytes: 4, listedItems: 2 })
    expect([...metrics.errors]).toEqual([['GetBlob', 1]])
    expect(metrics.latencies.get('GetBlob-full')?.total).toBe(2)
    expect(metrics.latencies.get('GetBlob-partial')?.total).toBe(2)
    expect(metrics.latencies.get('PutBlob')?.total).toBe(2)
    expect(metrics.summary()).toContain('2 PutBlob')
  })

  test('count what is read from the own file of a blob', async () => {
    const metrics = new StorageMetrics()
    const storage = metered(metrics, () => 0)(withOwnFiles())
    expect(await storage.extras.withFile?.('p1', async (fd) => fd, 5000)).toBe(7)
    await expect(storage.extras.withFile?.('p1', () => Promise.reject(new StorageError('torn')), 900)).rejects.toThrow('torn')
    expect([metrics.downloadedPartialBytes, metrics.latencies.get('GetBlob-partial')?.total]).toEqual([5000, 2])
    expect([...metrics.errors]).toEqual([['GetBlob', 1]])
  })

  test('sort calls by how long they took', () => {
    const histogram = new LatencyHistogram()
    for (const ms of [0.1, 0.5, 0.6, 60_000]) histogram.add(ms)
    expect(histogram.counts.slice(0, 2)).toEqual([2, 1])
    expect(histogram.counts.at(-1)).toBe(1)
    expect(histogram.total).toBe(4)
  })
})
