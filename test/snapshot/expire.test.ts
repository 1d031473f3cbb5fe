import { beforeEach, describe, expect, it } from 'vitest'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { expireSnapshots, planExpiry } from '#snapshot/expire.ts'
import { newCounters } from '#snapshot/model/counters.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { listSnapshots, saveSnapshot } from '#snapshot/model/snapshots.ts'
import { memoryRepository } from './memory-repository.ts'

const source = { user: 'user', host: 'host', path: '/data' }
const dayNs = 86_400_000_000_000n
const start = 1_700_000_000_000_000_000n
const root = { name: 'data', type: 'd', mode: 0o755, sizeBytes: 0, modifiedNs: 0n, uid: 0, gid: 0, objectId: 'k00' as never }

const snapshot = (change: Partial<Snapshot>): Snapshot => ({
  id: '',
  source,
  description: '',
  startNs: start,
  endNs: start + 1n,
  stats: newCounters(),
  rootEntry: root,
  tags: {},
  pins: [],
  ...change,
})

let repository: DirectRepository
beforeEach(async () => {
  ;({ repository } = await memoryRepository())
})

/** As the numbers of seconds after the start. */
const left = async (of = source) =>
  (await listSnapshots(repository, { source: of })).map((s) => Number((s.startNs - start) / 1_000_000_000n))

describe('expiry', () => {
  it('keeps what the policy keeps, of exactly this source', async () => {
    for (let i = 0; i < 15; i++) await saveSnapshot(repository, snapshot({ startNs: start + BigInt(i) * 1_000_000_000n }))
    const below = { ...source, path: '/data/below' }
    for (let i = 0; i < 15; i++) await saveSnapshot(repository, snapshot({ source: below, startNs: start + BigInt(i) * 1_000_000_000n }))
    const plan = await planExpiry(repository, source)
    expect(plan).toHaveLength(5)
    expect(await left()).toHaveLength(15)
    const expired = await expireSnapshots(repository, source)
    expect(expired.map((s) => s.id)).toEqual(plan.map((s) => s.id))
    expect(await left()).toEqual([5, 6, 7, 8, 9, 10, 11, 12, 13, 14])
    expect(await left(below)).toHaveLength(15)
    expect(await expireSnapshots(repository, source)).toEqual([])
  })

  it('keeps what is pinned', async () => {
    for (let i = 0; i < 15; i++)
      await saveSnapshot(repository, snapshot({ startNs: start + BigInt(i) * 1_000_000_000n, pins: i === 2 ? ['keep'] : [] }))
    await expireSnapshots(repository, source)
    expect(await left()).toContain(2)
  })

  it('drops the checkpoints of an upload when its snapshot is saved', async () => {
    for (let i = 1; i < 4; i++) await saveSnapshot(repository, snapshot({ endNs: start + BigInt(i), incomplete: 'checkpoint' }))
    await saveSnapshot(repository, snapshot({ endNs: start + 10n }))
    await expireSnapshots(repository, source)
    const kept = await listSnapshots(repository, { source })
    expect(kept.map((s) => s.incomplete)).toEqual([undefined])
  })

  it('keeps the newest incomplete snapshots while none is complete', async () => {
    await saveSnapshot(repository, snapshot({ incomplete: 'canceled' }))
    await saveSnapshot(repository, snapshot({ startNs: start + dayNs, incomplete: 'checkpoint' }))
    await expireSnapshots(repository, source)
    expect((await listSnapshots(repository, { source })).length).toBeGreaterThan(0)
  })
})
