import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { memoryStorage, type StoredBlob } from '#repo/blob/memory.ts'
import { ForwardingStorage } from '#repo/blob/wrap/forward.ts'
import { maintenanceKey } from '#repo/crypto/keys.ts'
import { ensureMaintenanceOwner } from '#repo/maintenance/owner.ts'
import { type MaintenanceRequest, runMaintenance } from '#repo/maintenance/run.ts'
import { fullSafety, noSafety } from '#repo/maintenance/safety.ts'
import { emptySchedule, readSchedule, scheduleBlob } from '#repo/maintenance/schedule.ts'
import { createRepository } from '#repo/repository/create.ts'
import { openRepositoryDirectly } from '#repo/repository/open.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { collectGarbage } from '#snapshot/gc/collect.ts'
import { saveSnapshot } from '#snapshot/model/snapshots.ts'
import { TestClock } from '../../repo/content/rig.ts'
import { fastKey } from '../../support/fast-key.ts'

const password = 'test-password'
const me = { hostname: 'host', username: 'user' }
let clock: TestClock
let blobs: Map<string, StoredBlob>
let repository: DirectRepository
const opened: DirectRepository[] = []

async function open(client: object = me, skewMs = 0): Promise<DirectRepository> {
  const inner = memoryStorage(clock, blobs)
  class Skewed extends ForwardingStorage {
    override async stat(id: string) {
      const found = await inner.stat(id)
      return { ...found, modifiedMs: found.modifiedMs + skewMs }
    }
  }
  const found = await openRepositoryDirectly(new Skewed(inner), password, { deriveKey: fastKey, clock, client, warn: () => undefined })
  opened.push(found)
  return found
}

beforeEach(async () => {
  clock = new TestClock()
  blobs = new Map()
  await createRepository(memoryStorage(clock, blobs), { splitter: 'FIXED-128K', deriveKey: fastKey }, password)
  repository = await open()
  await ensureMaintenanceOwner(repository.manifests, 'user@host')
  await repository.flush()
})
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close()
})

const maintain = (change: Partial<MaintenanceRequest> = {}, of = repository) =>
  runMaintenance(of, { mode: 'full', safety: fullSafety, collectGarbage, ...change })
const schedule = () => readSchedule(repository.blobs, maintenanceKey(repository.format, repository.formatKey))

describe('maintenance', () => {
  test('is refused to everybody but the owner, silently when automatic, and done when forced', async () => {
    const stranger = await open({ hostname: 'host', username: 'stranger' })
    await expect(maintain({}, stranger)).rejects.toThrow('must be run by the owner, user@host, and this is stranger@host')
    expect(await maintain({ mode: 'auto' }, stranger)).toBeUndefined()
    expect(await schedule()).toEqual(emptySchedule)
    expect((await maintain({ force: true }, stranger))?.mode).toBe('full')
  })

  test('is refused over a read-only connection, silently when automatic', async () => {
    const reader = await open({ ...me, readOnly: true })
    await expect(maintain({}, reader)).rejects.toThrow('read-only')
    expect(await maintain({ mode: 'auto' }, reader)).toBeUndefined()
  })

  test('runs what is due, full before quick, and moves the schedule before it works', async () => {
    const failing = { collectGarbage: () => Promise.reject(new Error('crashed')) }
    await expect(maintain({ mode: 'auto', ...failing })).rejects.toThrow('crashed')
    const { nextFullNs, nextQuickNs, runs } = await schedule()
    expect(nextFullNs - clock.nowNs()).toBe(86_400_000_000_000n)
    expect(nextQuickNs - clock.nowNs()).toBe(3_600_000_000_000n)
    expect(runs['snapshot-gc']).toMatchObject([{ success: false, error: 'crashed' }])
    expect(await maintain({ mode: 'auto' })).toBeUndefined()
    clock.ms += 3_600_000
    expect((await maintain({ mode: 'auto' }))?.mode).toBe('quick')
    clock.ms += 86_400_000
    expect((await maintain({ mode: 'auto' }))?.mode).toBe('full')
  })

  test('does nothing when the clocks of computer and storage are more than five minutes apart', async () => {
    const skewed = await open(me, 301_000)
    await expect(maintain({}, skewed)).rejects.toThrow('differ by 301 s')
    expect((await schedule()).runs).toEqual({})
  })

  test('is refused while an index blob is damaged, and deletes nothing', async () => {
    await repository.objects.writeMany([
      { data: Buffer.from('needed'), options: { prefix: '', compressor: '', metadataCompressor: '', splitter: '' } },
    ])
    await repository.flush()
    const index = [...blobs.keys()].filter((n) => n.startsWith('xn')).at(-1) as string
    const { data, modifiedMs } = blobs.get(index) as StoredBlob
    blobs.set(index, { data: Buffer.from(data).fill(0, 20, 40), modifiedMs })
    const packs = [...blobs.keys()].filter((n) => /^[pq]/.test(n))
    clock.ms += 200 * 3_600_000
    const damaged = await open()
    await expect(maintain({ safety: noSafety }, damaged)).rejects.toThrow('index blob(s) cannot be read')
    expect([...blobs.keys()].filter((n) => /^[pq]/.test(n))).toEqual(packs)
  })

  test('never overwrites a schedule that it cannot read', async () => {
    blobs.set(scheduleBlob, { data: Buffer.alloc(64), modifiedMs: clock.ms })
    await expect(maintain()).rejects.toThrow('cannot be read')
    expect((blobs.get(scheduleBlob) as StoredBlob).data.equals(Buffer.alloc(64))).toBe(true)
  })

  test('stops before anything is marked when a snapshot cannot be walked', async () => {
    const rootEntry = {
      name: 'd',
      type: 'd',
      mode: 0,
      sizeBytes: 0,
      modifiedNs: 0n,
      uid: 0,
      gid: 0,
      objectId: `k${'00'.repeat(16)}` as never,
    }
    const source = { user: 'user', host: 'host', path: '/d' }
    const nothing = { totalBytes: 0, excludedBytes: 0, fileCount: 0, cachedFileCount: 0, nonCachedFileCount: 0, directoryCount: 0 }
    const stats = { ...nothing, excludedFileCount: 0, excludedDirectoryCount: 0, ignoredErrorCount: 0, errorCount: 0 }
    await saveSnapshot(repository, { id: '', source, description: '', startNs: 1n, endNs: 1n, stats, rootEntry, tags: {}, pins: [] })
    await expect(maintain({ safety: noSafety })).rejects.toThrow(/cannot be walked: content k0+ is not in the indexes. Nothing was deleted/)
  })
})
