import { beforeEach, describe, expect, test } from 'vitest'
import { UsageError } from '#base/errors.ts'
import { memoryStorage, type StoredBlob } from '#repo/blob/memory.ts'
import { UpgradeInProgressError, WrongPasswordError } from '#repo/format/errors.ts'
import { defaultCaching } from '#repo/repository/caching-options.ts'
import { changePassword } from '#repo/repository/change-password.ts'
import { createRepository } from '#repo/repository/create.ts'
import { type DirectOptions, openRepositoryDirectly } from '#repo/repository/open.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import {
  areOldIndexesInForce,
  commitUpgrade,
  compareIndexes,
  IndexValidationError,
  placeLock,
  rollBackUpgrade,
  UpgradeStateError,
  upgradeIndexes,
  upgradeWithoutLock,
} from '#repo/repository/upgrade.ts'
import { fastKey } from '../../support/fast-key.ts'
import { scratchFolders } from '../../support/scratch.ts'

const password = 'test-password'
const lock = {
  ownerId: 'me',
  advanceNoticeDurationNs: 0n,
  ioDrainTimeoutNs: 60_000_000_000n,
  statusPollIntervalNs: 1_000_000_000n,
  message: 'moving on',
  maxPermittedClockDriftNs: 1_000_000_000n,
}
const scratch = scratchFolders()
let blobs: Map<string, StoredBlob>

const open = (options: DirectOptions & { password?: string } = {}): Promise<DirectRepository> =>
  openRepositoryDirectly(memoryStorage(undefined, blobs), options.password ?? password, {
    deriveKey: fastKey,
    noBlockOnUpgrade: true,
    ...options,
  })
const asOwner = () => open({ upgradeOwnerId: 'me' })

async function within<R>(opened: Promise<DirectRepository>, work: (repository: DirectRepository) => Promise<R>): Promise<R> {
  const repository = await opened
  try {
    return await work(repository)
  } finally {
    await repository.close()
  }
}

async function make(version: number): Promise<void> {
  blobs = new Map()
  await createRepository(memoryStorage(undefined, blobs), { version, deriveKey: fastKey }, password)
}

const writeOne = (text: string) =>
  within(asOwner(), async (r) => {
    const id = await r.contents.put({ prefix: '', data: Buffer.from(text), compressionHeader: 0 })
    await r.flush()
    return id
  })

describe('an upgrade with a lock', () => {
  beforeEach(() => make(1))

  test('keeps others out until it is committed, and loses nothing', async () => {
    const id = await writeOne('before')
    await within(open(), (r) => placeLock(r, lock))
    await expect(open()).rejects.toThrow(UpgradeInProgressError)
    expect(await within(asOwner(), upgradeIndexes)).toBe(true)
    expect(await within(asOwner(), compareIndexes)).toEqual([])
    await within(asOwner(), commitUpgrade)
    await within(open(), async (r) => {
      expect(r.format).toMatchObject({ version: 3, indexVersion: 2 })
      expect(r.format.upgradeLock).toBeUndefined()
      expect(r.format.epochs.enabled).toBe(true)
      expect((await r.contents.get(id)).toString()).toBe('before')
    })
    await expect(within(open(), (r) => placeLock(r, lock))).rejects.toThrow(UpgradeStateError)
  })

  test('can be rolled back, also after the indexes have moved', async () => {
    const before = Buffer.from(blobs.get('kopia.repository')?.data ?? [])
    const id = await writeOne('before')
    await within(open(), (r) => placeLock(r, lock))
    await within(asOwner(), upgradeIndexes)
    await within(asOwner(), rollBackUpgrade)
    expect(Buffer.from(blobs.get('kopia.repository')?.data ?? [])).toEqual(before)
    expect([...blobs.keys()].filter((name) => name.startsWith('kopia.repository.'))).toEqual([])
    await within(open(), async (r) => {
      expect(r.format).toMatchObject({ version: 1, indexVersion: 1 })
      expect((await r.contents.get(id)).toString()).toBe('before')
    })
    await expect(within(open(), rollBackUpgrade)).rejects.toThrow('no upgrade in progress')
  })

  test('goes on when the same owner begins again, and is refused to another', async () => {
    const first = await within(open(), (r) => placeLock(r, lock))
    expect(await within(asOwner(), (r) => placeLock(r, lock))).toEqual(first)
    await expect(within(asOwner(), (r) => placeLock(r, { ...lock, ownerId: 'you' }))).rejects.toThrow(UsageError)
  })

  test.each([
    ['no owner', { ownerId: '' }],
    ['no time to finish', { ioDrainTimeoutNs: 0n }],
    ['no drift', { maxPermittedClockDriftNs: 0n }],
    ['longer looking than waiting', { statusPollIntervalNs: 61_000_000_000n }],
    ['too short a notice', { advanceNoticeDurationNs: 121_000_000_000n }],
  ])('refuses a lock with %s and writes nothing', async (_, change) => {
    const before = [...blobs.keys()]
    await expect(within(open(), (r) => placeLock(r, { ...lock, ...change }))).rejects.toThrow(UsageError)
    expect([...blobs.keys()]).toEqual(before)
  })

  test('names what the new indexes say otherwise', async () => {
    await writeOne('one')
    await within(asOwner(), upgradeWithoutLock)
    expect(await within(asOwner(), compareIndexes)).toEqual([])
    const id = await writeOne('two')
    expect(await within(asOwner(), compareIndexes)).toEqual([{ id, field: 'presence', before: 'missing', after: 'there' }])
  })
})

test('new indexes that were damaged before they came into force fail the comparison, by the name of the blob', async () => {
  await make(1)
  await writeOne('one')
  await within(open(), (r) => placeLock(r, lock))
  await within(asOwner(), upgradeIndexes)
  expect(await within(asOwner(), areOldIndexesInForce)).toBe(true)
  const [name, blob] = [...blobs].find(([id]) => id.startsWith('xn0_')) ?? []
  if (!name || !blob) throw new Error('no new index')
  const data = Buffer.from(blob.data)
  data[20] = (data[20] ?? 0) ^ 0xff
  blobs.set(name, { ...blob, data })
  const comparison = within(asOwner(), compareIndexes)
  await expect(comparison).rejects.toThrow(IndexValidationError)
  await expect(comparison).rejects.toThrow(`failed to load index entries for new index: failed to load index blob with BlobID ${name}`)
  blobs.set(name, blob)
  await within(asOwner(), commitUpgrade)
  expect(await within(open(), areOldIndexesInForce)).toBe(false)
})

describe('changePassword', () => {
  test('lets the new password in and the old one not', async () => {
    await make(3)
    const id = await writeOne('kept')
    await within(open(), (r) => changePassword(r, ' new ', fastKey))
    await expect(open()).rejects.toThrow(WrongPasswordError)
    await within(open({ password: ' new ' }), async (r) => expect((await r.contents.get(id)).toString()).toBe('kept'))
  })

  test('leaves no copy in the cache folder that would let the old password in', async () => {
    await make(3)
    const caching = { ...defaultCaching, cacheDirectory: scratch() }
    await within(open({ caching }), (r) => changePassword(r, 'new', fastKey))
    await expect(open({ caching })).rejects.toThrow(WrongPasswordError)
    await within(open({ caching, password: 'new' }), async (r) => expect(r.format.version).toBe(3))
  })

  test('is refused for an empty password, and where the format ties keys to the password', async () => {
    await make(3)
    await expect(within(open(), (r) => changePassword(r, '', fastKey))).rejects.toThrow(UsageError)
    await make(1)
    await expect(within(open(), (r) => changePassword(r, 'new', fastKey))).rejects.toThrow('cannot be changed')
    await within(open(), async (r) => expect(r.format.version).toBe(1))
  })
})
