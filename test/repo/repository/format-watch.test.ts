import { existsSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Clock } from '#base/clock.ts'
import { memoryStorage, type StoredBlob } from '#repo/blob/memory.ts'
import { logged, type StorageCall } from '#repo/blob/wrap/log.ts'
import { sealBlobConfig } from '#repo/format/blob-config.ts'
import { UpgradeInProgressError, WrongPasswordError } from '#repo/format/errors.ts'
import { decodeInner, parseFormatBlob, sealFormatBlob } from '#repo/format/format-blob.ts'
import { createRepository } from '#repo/repository/create.ts'
import { FormatBlobCache, formatAges } from '#repo/repository/format-blob-cache.ts'
import { FormatWatch } from '#repo/repository/format-watch.ts'
import { openRepositoryDirectly } from '#repo/repository/open.ts'
import { fastKey } from '../../support/fast-key.ts'
import { scratchFolders } from '../../support/scratch.ts'

const scratch = scratchFolders()
const password = 'test-password'
const startMs = 1_700_000_000_000
const minuteMs = 60_000
let made: ReadonlyMap<string, StoredBlob>

beforeAll(async () => {
  const blobs = new Map<string, StoredBlob>()
  await createRepository(memoryStorage(undefined, blobs), { deriveKey: fastKey }, password)
  made = blobs
})

class FakeClock implements Clock {
  ms = startMs
  nowMs(): number {
    return this.ms
  }
  nowNs(): bigint {
    return BigInt(this.ms) * 1_000_000n
  }
}

/** A storage with the repository of this file, and the blobs that were read from it. */
function storageWithReads(): { storage: ReturnType<typeof memoryStorage>; reads: string[]; blobs: Map<string, StoredBlob> } {
  const blobs = new Map(made)
  const reads: string[] = []
  const storage = logged((call) => {
    if (call.operation === 'get') reads.push(call.blob ?? '')
  })(memoryStorage(undefined, blobs))
  return { storage, reads, blobs }
}

async function rewriteFormat(blobs: Map<string, StoredBlob>, change: object): Promise<void> {
  const outer = parseFormatBlob((blobs.get('kopia.repository') as StoredBlob).data)
  const formatKey = await fastKey(outer.keyAlgorithm, password, outer.uniqueId)
  const format = decodeInner(outer, formatKey)
  blobs.set('kopia.repository', { data: sealFormatBlob({ ...format, ...change }, outer, formatKey), modifiedMs: startMs })
}

async function retentionBlob(): Promise<Buffer> {
  const outer = parseFormatBlob((made.get('kopia.repository') as StoredBlob).data)
  const retention = { mode: 'GOVERNANCE', periodNs: 86_400_000_000_000n } as const
  return sealBlobConfig(retention, await fastKey(outer.keyAlgorithm, password, outer.uniqueId), outer.uniqueId)
}

const lockOf = (ownerId: string, advanceNoticeDurationNs = 0n) => ({
  upgradeLock: {
    ownerId,
    creationTime: new Date(startMs).toISOString(),
    advanceNoticeDurationNs,
    ioDrainTimeoutNs: 900_000_000_000n,
    statusPollIntervalNs: 60_000_000_000n,
    message: 'upgrading',
    maxPermittedClockDriftNs: 300_000_000_000n,
  },
})

describe('an open repository', () => {
  test('stops using the storage within 15 minutes of an upgrade lock, and goes on once it is gone', async () => {
    const { storage, reads, blobs } = storageWithReads()
    const clock = new FakeClock()
    const repository = await openRepositoryDirectly(storage, password, { clock, deriveKey: fastKey })
    const before = blobs.get('kopia.repository') as StoredBlob
    await rewriteFormat(blobs, lockOf('other'))
    reads.length = 0
    clock.ms += 15 * minuteMs - 1
    await repository.blobs.put('x', [])
    expect(reads).toEqual([])
    clock.ms += 1
    const stopped = [repository.blobs.put('y', []), repository.blobs.get('x'), repository.blobs.stat('x'), repository.blobs.delete('x')]
    for (const call of await Promise.allSettled(stopped)) expect(call).toMatchObject({ reason: expect.any(UpgradeInProgressError) })
    expect(reads.sort()).toEqual(['kopia.blobcfg', 'kopia.repository'])
    expect(blobs.has('y')).toBe(false)
    blobs.set('kopia.repository', before)
    clock.ms += 15 * minuteMs
    await repository.blobs.put('y', [])
  })

  test('does not mind its own lock, and minds a lock with notice from the announced time on', async () => {
    const { storage, blobs } = storageWithReads()
    const clock = new FakeClock()
    const twoHours = 7_200_000_000_000n
    await rewriteFormat(blobs, lockOf('me', twoHours))
    const own = await openRepositoryDirectly(storage, password, { clock, deriveKey: fastKey, upgradeOwnerId: 'me' })
    const other = await openRepositoryDirectly(storage, password, { clock, deriveKey: fastKey, noBlockOnUpgrade: true })
    clock.ms += (120 - 35) * minuteMs - 1
    await other.blobs.put('x', [])
    clock.ms += 1
    await expect(other.blobs.put('x', [])).rejects.toThrow(UpgradeInProgressError)
    await own.blobs.put('x', [])
  })

  test('notices a feature that has become required', async () => {
    const { storage, blobs } = storageWithReads()
    const clock = new FakeClock()
    const repository = await openRepositoryDirectly(storage, password, { clock, deriveKey: fastKey })
    const feature = { feature: 'time-travel', warn: false, message: '', url: '', upgradeToVersion: '' }
    await rewriteFormat(blobs, { requiredFeatures: [feature] })
    await repository.blobs.put('x', [])
    clock.ms += 15 * minuteMs
    await expect(repository.blobs.put('x', [])).rejects.toThrow(/time-travel/)
  })

  test('tells of its storage calls, those included that the lock refused', async () => {
    const { storage, blobs } = storageWithReads()
    const clock = new FakeClock()
    const calls: string[] = []
    const onStorageCall = (call: StorageCall): void =>
      void calls.push(`${call.operation} ${call.blob ?? call.prefix} ${call.error ?? 'ok'}`)
    const repository = await openRepositoryDirectly(storage, password, { clock, deriveKey: fastKey, onStorageCall })
    await rewriteFormat(blobs, lockOf('other'))
    clock.ms += 15 * minuteMs
    calls.length = 0
    await expect(repository.blobs.put('x', [])).rejects.toThrow(UpgradeInProgressError)
    expect(calls).toEqual(['put x UpgradeInProgressError: repository upgrade in progress'])
  })

  test('sees what it has rewritten itself at once', async () => {
    const { storage, blobs } = storageWithReads()
    const repository = await openRepositoryDirectly(storage, password, { deriveKey: fastKey })
    await rewriteFormat(blobs, { maxPackSizeBytes: 30 << 20 })
    expect(repository.format.maxPackSizeBytes).toBe(20 << 20)
    await repository.forgetFormat()
    expect(repository.format.maxPackSizeBytes).toBe(30 << 20)
  })
})

describe('copies in the cache folder', () => {
  const never = (message: string): never => {
    throw new Error(message)
  }

  test('spare the storage while they are young, and keep their time', async () => {
    const { storage, reads } = storageWithReads()
    const clock = new FakeClock()
    const directory = join(scratch(), 'cache')
    const load = (maxAgeMs: number) => new FormatBlobCache(storage, directory, clock, never).load(maxAgeMs)
    const first = await load(15 * minuteMs)
    expect(first).toMatchObject({ cached: false, loadedMs: startMs })
    expect(statSync(join(directory, 'kopia.repository')).mtimeMs).toBe(startMs)
    expect(readFileSync(join(directory, 'kopia.repository'))).toEqual(made.get('kopia.repository')?.data)
    expect(existsSync(join(directory, 'CACHEDIR.TAG'))).toBe(true)
    reads.length = 0
    clock.ms += 15 * minuteMs - 1
    expect(await load(15 * minuteMs)).toEqual({ ...first, cached: true })
    expect(reads).toEqual([])
    expect(statSync(join(directory, 'kopia.repository')).mtimeMs).toBe(startMs)
    expect(await load(0)).toMatchObject({ cached: false, loadedMs: clock.ms })
    clock.ms += 15 * minuteMs
    expect(await load(15 * minuteMs)).toMatchObject({ cached: false, loadedMs: clock.ms })
  })

  test('from the future are not believed', async () => {
    const { storage } = storageWithReads()
    const directory = scratch()
    writeFileSync(join(directory, 'kopia.repository'), 'x')
    utimesSync(join(directory, 'kopia.repository'), startMs / 1000 + 10, startMs / 1000 + 10)
    expect(await new FormatBlobCache(storage, directory, new FakeClock(), never).load(15 * minuteMs)).toMatchObject({ cached: false })
  })

  test('in a folder that cannot be made cost one warning and nothing else', async () => {
    const { storage } = storageWithReads()
    const file = join(scratch(), 'file')
    writeFileSync(file, '')
    const warnings: string[] = []
    const cache = new FormatBlobCache(storage, join(file, 'cache'), new FakeClock(), (message) => warnings.push(message))
    expect(await cache.load(15 * minuteMs)).toMatchObject({ cached: false })
    expect(warnings).toHaveLength(1)
  })

  test('are read again from the storage when the password does not fit', async () => {
    const { storage, blobs } = storageWithReads()
    const clock = new FakeClock()
    const directory = scratch()
    const other = new Map<string, StoredBlob>()
    await createRepository(memoryStorage(undefined, other), { deriveKey: fastKey }, 'old password')
    for (const id of ['kopia.repository', 'kopia.blobcfg']) writeFileSync(join(directory, id), (other.get(id) as StoredBlob).data)
    for (const id of ['kopia.repository', 'kopia.blobcfg']) utimesSync(join(directory, id), startMs / 1000, startMs / 1000)
    const watchOptions = {
      cache: new FormatBlobCache(storage, directory, clock, never),
      clock,
      ages: formatAges(0n),
      warn: never,
      deriveKey: fastKey,
    }
    const watch = await FormatWatch.open(watchOptions, password)
    expect(watch.formatBlob).toEqual(blobs.get('kopia.repository')?.data)
    await expect(FormatWatch.open(watchOptions, 'wrong')).rejects.toThrow(WrongPasswordError)
  })

  test.each([
    ['cut short', 'kopia.repository', (bytes: Buffer) => bytes.subarray(0, 100)],
    ['empty', 'kopia.repository', () => Buffer.alloc(0)],
    ['no text', 'kopia.repository', (bytes: Buffer) => Buffer.from(bytes).fill(0xff, 20, 30)],
    ['not decodable', 'kopia.blobcfg', (bytes: Buffer) => bytes.subarray(1)],
  ])('are read again from the storage when they are %s: %s', async (_, id, damage) => {
    const { storage, blobs } = storageWithReads()
    blobs.set('kopia.blobcfg', { data: await retentionBlob(), modifiedMs: startMs })
    const clock = new FakeClock()
    const directory = scratch()
    for (const name of ['kopia.repository', 'kopia.blobcfg']) {
      const bytes = (blobs.get(name) as StoredBlob).data
      writeFileSync(join(directory, name), name === id ? damage(bytes) : bytes)
      utimesSync(join(directory, name), startMs / 1000, startMs / 1000)
    }
    const cache = new FormatBlobCache(storage, directory, clock, never)
    const watch = await FormatWatch.open({ cache, clock, ages: formatAges(0n), warn: never, deriveKey: fastKey }, password)
    expect(watch.formatBlob).toEqual(blobs.get('kopia.repository')?.data)
    expect(readFileSync(join(directory, id))).toEqual(blobs.get(id)?.data)
  })
})

test.each([
  [0n, 15 * minuteMs, 15 * minuteMs],
  [420_000_000_000n, 7 * minuteMs, 7 * minuteMs],
  [3_600_000_000_000n, 15 * minuteMs, 15 * minuteMs],
  [-1n, 0, 15 * minuteMs],
])('a format cache duration of %d ns means %d ms at first and %d ms later', (durationNs, firstMs, laterMs) => {
  expect(formatAges(durationNs)).toEqual({ firstMs, laterMs })
})
