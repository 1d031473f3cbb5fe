import { beforeAll, describe, expect, test } from 'vitest'
import { memoryStorage, type StoredBlob } from '#repo/blob/memory.ts'
import type { BlobInfo, PutOptions } from '#repo/blob/storage.ts'
import { ForwardingStorage } from '#repo/blob/wrap/forward.ts'
import { InvalidFormatError } from '#repo/format/errors.ts'
import { createRepository } from '#repo/repository/create.ts'
import { openRepositoryDirectly } from '#repo/repository/open.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { setParameters } from '#repo/repository/set-parameters.ts'
import { fastKey } from '../../support/fast-key.ts'

const password = 'test-password'
const blobs = new Map<string, StoredBlob>()
const puts: string[] = []

/** A storage that can lock, or says so. */
class Lockable extends ForwardingStorage {
  override put(id: string, parts: readonly Uint8Array[], { retention, ...rest }: PutOptions = {}): Promise<BlobInfo> {
    puts.push(`${id} ${retention?.mode ?? 'free'}`)
    return this.inner.put(id, parts, rest)
  }
}

const open = (): Promise<DirectRepository> =>
  openRepositoryDirectly(new Lockable(memoryStorage(undefined, blobs)), password, { deriveKey: fastKey })
let repository: DirectRepository

beforeAll(async () => {
  await createRepository(memoryStorage(undefined, blobs), { version: 2, deriveKey: fastKey }, password)
  repository = await open()
})

describe('setParameters', () => {
  test('writes both central blobs, retention first, and everybody sees the change', async () => {
    const before = repository.format
    const epochs = { ...before.epochs, fullCheckpointFrequency: 9 }
    const retention = { mode: 'GOVERNANCE', periodNs: 86_400_000_000_000n } as const
    await setParameters(repository, { maxPackSizeBytes: 33 << 20, epochs, version: 3, retention })
    expect(puts.splice(0)).toEqual(['kopia.blobcfg GOVERNANCE', 'kopia.repository GOVERNANCE'])
    const wanted = { ...before, maxPackSizeBytes: 33 << 20, epochs, version: 3 }
    expect(repository.format).toEqual(wanted)
    const again = await open()
    expect(again.format).toEqual(wanted)
    expect(again.retention).toEqual(retention)
    await setParameters(again, { retention: { mode: '', periodNs: 0n } })
    await repository.forgetFormat()
    expect(repository.retention.mode).toBe('')
    expect(repository.format).toEqual(wanted)
  })

  test('builds on what another client has changed meanwhile', async () => {
    const other = await open()
    await setParameters(other, { maxPackSizeBytes: 40 << 20 })
    await setParameters(repository, { requiredFeatures: [] })
    expect(repository.format.maxPackSizeBytes).toBe(40 << 20)
  })

  test.each([
    ['a pack size of 9 MB', { maxPackSizeBytes: 9 << 20 }],
    ['a pack size of 121 MB', { maxPackSizeBytes: 121 << 20 }],
    ['retention below a day', { retention: { mode: 'COMPLIANCE', periodNs: 3_600_000_000_000n } }],
    ['retention without a mode', { retention: { mode: '', periodNs: 86_400_000_000_000n } }],
  ] as const)('refuses %s and writes nothing', async (_, changes) => {
    puts.length = 0
    await expect(setParameters(repository, changes)).rejects.toThrow(InvalidFormatError)
    expect(puts).toEqual([])
  })

  test('refuses to do nothing, and to go back', async () => {
    puts.length = 0
    await expect(setParameters(repository, {})).rejects.toThrow('no changes')
    await expect(setParameters(repository, { indexVersion: 1 })).rejects.toThrow('index format version can only be upgraded')
    await expect(setParameters(repository, { version: 1 })).rejects.toThrow('can only be upgraded')
    expect(puts).toEqual([])
  })
})
