import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { listSnapshots } from '#snapshot/model/snapshots.ts'
import { type CreateRequest, createSnapshot } from '#snapshot/upload/create.ts'
import { scratchFolders } from '../../support/scratch.ts'
import { memoryRepository, openAgain, rootOf, Watcher } from '../memory-repository.ts'

const scratch = scratchFolders()

function makeSource(): string {
  const source = scratch()
  writeFileSync(join(source, 'file'), 'text')
  return source
}

const create = (repository: DirectRepository, path: string, more: Partial<CreateRequest> = {}, watcher = new Watcher()) =>
  createSnapshot(repository, { source: { user: 'user', host: 'host', path }, localPath: path, ...more }, watcher)

describe('createSnapshot', () => {
  it('saves what it was told to, durable once flushed, and takes files over from the one before', async () => {
    const { repository, blobs } = await memoryRepository()
    const source = makeSource()
    const { snapshot } = await create(repository, source, { description: 'first', tags: { 'tag:a': 'b' }, pins: ['p'] })
    await repository.flush()
    const watcher = new Watcher()
    const other = await openAgain(blobs)
    await create(other, source, {}, watcher)
    expect(watcher.reused).toEqual(['file'])
    await other.flush()
    const found = await listSnapshots(await openAgain(blobs), { source: { user: 'user', host: 'host', path: source } })
    expect(found).toHaveLength(2)
    expect(found[0]).toEqual(snapshot)
    expect(found[0]).toMatchObject({ description: 'first', tags: { 'tag:a': 'b' }, pins: ['p'] })
    expect(found[0]?.incomplete).toBeUndefined()
  })

  it('follows a link at the end of the path and keeps the path that was given', async () => {
    const { repository } = await memoryRepository()
    const real = join(scratch(), 'real')
    mkdirSync(real)
    const link = join(scratch(), 'link')
    symlinkSync(real, link)
    const { snapshot } = await create(repository, link)
    expect(snapshot.source.path).toBe(link)
    expect(rootOf(snapshot).name).toBe('real')
    await expect(create(repository, join(real, 'missing'))).rejects.toThrow(/cannot read .*missing: no such file or directory/)
  })

  it('moves the other time along when one is given', async () => {
    const { repository } = await memoryRepository()
    const source = makeSource()
    const hour = 3_600_000_000_000n
    const start = await create(repository, source, { startNs: hour })
    expect(start.snapshot.startNs).toBe(hour)
    expect(start.snapshot.endNs - hour).toBeGreaterThanOrEqual(0n)
    expect(start.snapshot.endNs - hour).toBeLessThan(hour)
    const end = await create(repository, source, { endNs: 2n * hour })
    expect(end.snapshot.endNs).toBe(2n * hour)
    expect(end.snapshot.startNs).toBeLessThanOrEqual(2n * hour)
    const both = await create(repository, source, { startNs: 1n, endNs: 2n })
    expect([both.snapshot.startNs, both.snapshot.endNs]).toEqual([1n, 2n])
  })

  it('applies retention', async () => {
    const { repository } = await memoryRepository()
    const source = makeSource()
    const expired: number[] = []
    for (let i = 1; i <= 12; i++) expired.push((await create(repository, source, { startNs: BigInt(i), endNs: BigInt(i) })).expiredCount)
    expect(expired.slice(0, 10)).toEqual(Array(10).fill(0))
    expect(expired.slice(10)).toEqual([1, 1])
  })
})
