import { describe, expect, test } from 'vitest'
import { UsageError } from '#base/errors.ts'
import { memoryStorage, type StoredBlob } from '#repo/blob/memory.ts'
import type { BlobInfo, PutOptions } from '#repo/blob/storage.ts'
import { ForwardingStorage } from '#repo/blob/wrap/forward.ts'
import { InvalidFormatError } from '#repo/format/errors.ts'
import { createRepository, type NewRepositoryOptions, requireEmpty } from '#repo/repository/create.ts'
import { AlreadyExistsError } from '#repo/repository/errors.ts'
import { openRepositoryDirectly } from '#repo/repository/open.ts'
import { fastKey } from '../../support/fast-key.ts'

const password = 'test-password'

/** Remembers puts in order, and leaves retention out since memory cannot lock. */
class Recording extends ForwardingStorage {
  readonly puts: { id: string; retention: PutOptions['retention'] }[] = []
  override put(id: string, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<BlobInfo> {
    const { retention, ...rest } = options
    this.puts.push({ id, retention })
    return this.inner.put(id, parts, rest)
  }
}

describe('a new repository', () => {
  test.each<[string, NewRepositoryOptions, object]>([
    [
      'version 1',
      { version: 1, deriveKey: fastKey },
      { version: 1, indexVersion: 1, enablePasswordChange: false, epochs: { enabled: false } },
    ],
    [
      'version 2',
      { version: 2, deriveKey: fastKey },
      { version: 2, indexVersion: 2, enablePasswordChange: true, epochs: { enabled: true } },
    ],
    ['version 3 with defaults', {}, { version: 3, hash: 'BLAKE2B-256-128', splitter: 'DYNAMIC-4M-BUZHASH', maxPackSizeBytes: 20971520 }],
    [
      'other algorithms',
      {
        hash: 'HMAC-SHA256',
        encryption: 'CHACHA20-POLY1305-HMAC-SHA256',
        splitter: 'FIXED-1M',
        eccOverheadPercent: 2,
        keyAlgorithm: 'pbkdf2-sha256-600000',
      },
      { hash: 'HMAC-SHA256', encryption: 'CHACHA20-POLY1305-HMAC-SHA256', splitter: 'FIXED-1M', eccOverheadPercent: 2 },
    ],
  ])('of %s can be written, closed, opened again and read', async (_, options, format) => {
    const blobs = new Map<string, StoredBlob>()
    await createRepository(memoryStorage(undefined, blobs), options, password)
    const settings = options.deriveKey ? { deriveKey: options.deriveKey } : {}
    const first = await openRepositoryDirectly(memoryStorage(undefined, blobs), password, settings)
    expect(first.format).toMatchObject(format)
    const writer = first.objects.createWriter({ prefix: '', compressor: '', metadataCompressor: '', splitter: '' })
    await writer.write(Buffer.alloc(3_000_000, 'kura'))
    const object = await writer.finish()
    const id = await first.manifests.put({ type: 'note' }, '{"x":9007199254740993}')
    await first.flush()
    await first.close()
    const second = await openRepositoryDirectly(memoryStorage(undefined, blobs), password, { ...settings, client: { readOnly: true } })
    expect((await second.manifests.get(id)).payload).toEqual({ x: 9007199254740993n })
    expect((await second.objects.readAll(object)).equals(Buffer.alloc(3_000_000, 'kura'))).toBe(true)
    await second.close()
  })

  test('exists only once its retention settings do, which lock both', async () => {
    const storage = new Recording(memoryStorage())
    const retention = { mode: 'COMPLIANCE', periodNs: 86_400_000_000_000n } as const
    await createRepository(storage, { retention, deriveKey: fastKey }, password)
    expect(storage.puts).toEqual([
      { id: 'kopia.blobcfg', retention },
      { id: 'kopia.repository', retention },
    ])
    const repository = await openRepositoryDirectly(storage, password, { deriveKey: fastKey })
    expect(repository.retention).toEqual(retention)
    await repository.blobs.put('p1', [])
    await repository.blobs.put('s1', [])
    expect(storage.puts.slice(2)).toEqual([
      { id: 'p1', retention },
      { id: 's1', retention: undefined },
    ])
  })

  test('is not made where one is, or where one has been', async () => {
    const storage = memoryStorage()
    await storage.put('kopia.repository', [Buffer.from('x')])
    await expect(createRepository(storage, { deriveKey: fastKey }, password)).rejects.toThrow('repository already initialized')
    await storage.delete('kopia.repository')
    await storage.put('kopia.blobcfg', [Buffer.from('x')])
    await expect(createRepository(storage, { deriveKey: fastKey }, password)).rejects.toThrow(AlreadyExistsError)
    expect((await storage.get('kopia.blobcfg')).toString()).toBe('x')
  })

  test('is not made with settings that nobody could open', async () => {
    const storage = memoryStorage()
    await expect(createRepository(storage, {}, '')).rejects.toThrow(UsageError)
    await expect(createRepository(storage, { splitter: 'AXE' }, password)).rejects.toThrow(/unknown splitter "AXE".*FIXED/)
    await expect(createRepository(storage, { version: 4 }, password)).rejects.toThrow(/version 4/)
    await expect(createRepository(storage, { hash: 'MD5' }, password)).rejects.toThrow(/MD5/)
    await expect(createRepository(storage, { keyAlgorithm: 'none' }, password)).rejects.toThrow(/none/)
    const tooShort = { mode: 'COMPLIANCE', periodNs: 1n } as const
    await expect(createRepository(storage, { retention: tooShort }, password)).rejects.toThrow(InvalidFormatError)
    await requireEmpty(storage)
  })

  test('needs an empty storage when asked for', async () => {
    const storage = memoryStorage()
    await storage.put('anything', [])
    await expect(requireEmpty(storage)).rejects.toThrow('found existing data in storage location')
  })
})
