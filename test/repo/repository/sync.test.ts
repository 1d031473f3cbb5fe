import { describe, expect, test } from 'vitest'
import { UsageError } from '#base/errors.ts'
import { UnsupportedOptionError } from '#repo/blob/errors.ts'
import { memoryStorage, type StoredBlob } from '#repo/blob/memory.ts'
import type { BlobInfo, BlobStorage, PutOptions } from '#repo/blob/storage.ts'
import { ForwardingStorage } from '#repo/blob/wrap/forward.ts'
import { NotAMirrorError, type SyncOptions, syncStorage } from '#repo/repository/sync.ts'
import { listed } from '../../support/blob-conformance.ts'

const options: SyncOptions = { update: true, delete: false, dryRun: false, parallel: 3, mustExist: false, times: false }
const second = 1_600_000_000_000

interface Place {
  readonly storage: BlobStorage
  readonly blobs: Map<string, StoredBlob>
  put(id: string, text: string, modifiedMs?: number): void
}

function place(uniqueID?: string): Place {
  const blobs = new Map<string, StoredBlob>()
  const put = (id: string, text: string, modifiedMs = second) => void blobs.set(id, { data: Buffer.from(text), modifiedMs })
  if (uniqueID !== undefined) put('kopia.repository', JSON.stringify({ uniqueID }))
  return { storage: memoryStorage(undefined, blobs), blobs, put }
}

function source(): Place {
  const made = place('AAAA')
  for (const id of ['p1', 'p2', 'q1', 'xn0_1', 'n1', 'kopia.blobcfg', '_log_1']) made.put(id, `bytes of ${id}`)
  return made
}

describe('a copy of a storage', () => {
  test('has every blob, byte for byte, and a second run copies nothing', async () => {
    const from = source()
    const to = place()
    const first = await syncStorage(from.storage, to.storage, options)
    expect(first.toCopy).toHaveLength(7)
    expect(await listed(to.storage, '')).toEqual(await listed(from.storage, ''))
    for (const [id, { data }] of from.blobs) expect(to.blobs.get(id)?.data.equals(data)).toBe(true)
    const second = await syncStorage(from.storage, to.storage, options)
    expect(second).toMatchObject({ toCopy: [], toDelete: [], inSync: { count: 8 } })
  })

  test('goes on where a run was cut off, and never has an index without its packs', async () => {
    const from = source()
    const to = place()
    const order: string[] = []
    class Breaking extends ForwardingStorage {
      override async put(id: string, parts: readonly Uint8Array[], given?: PutOptions): Promise<BlobInfo> {
        if (order.length === 4) throw new Error('cut')
        order.push(id)
        return this.inner.put(id, parts, given)
      }
    }
    await expect(syncStorage(from.storage, new Breaking(to.storage), { ...options, parallel: 1 })).rejects.toThrow('cut')
    expect(order[0]).toBe('kopia.repository')
    expect(order.filter((id) => /^[nx]/.test(id))).toEqual([])
    const rest: string[] = []
    await syncStorage(from.storage, to.storage, { ...options, parallel: 1, onDone: (blob) => rest.push(blob.id) })
    expect(rest).toHaveLength(4)
    expect(rest.slice(-2).sort()).toEqual(['n1', 'xn0_1'])
  })

  test('copies again what is newer, unless told not to', async () => {
    const from = source()
    const to = source()
    from.put('kopia.repository', '{"uniqueID":"AAAA","changed":1}', second + 1)
    const kept = await syncStorage(from.storage, to.storage, { ...options, update: false })
    expect(kept.toCopy).toEqual([])
    const { toCopy } = await syncStorage(from.storage, to.storage, options)
    expect(toCopy.map((b) => b.id)).toEqual(['kopia.repository'])
    expect(to.blobs.get('kopia.repository')?.data.toString()).toContain('changed')
  })

  test('in whole seconds is not copied for ever', async () => {
    const from = place('AAAA')
    from.put('p1', 'x', second + 700)
    const to = place('AAAA')
    to.put('p1', 'x', second)
    expect((await syncStorage(from.storage, to.storage, options)).toCopy).toEqual([])
    from.put('p1', 'longer', second + 700)
    expect((await syncStorage(from.storage, to.storage, options)).toCopy).toHaveLength(1)
  })

  test('loses what the source has lost only with "delete"', async () => {
    const from = source()
    const to = source()
    to.put('p9', 'old')
    to.put('n9', 'old index')
    expect((await syncStorage(from.storage, to.storage, options)).toDelete).toEqual([])
    expect(to.blobs.has('p9')).toBe(true)
    const gone: string[] = []
    await syncStorage(from.storage, to.storage, {
      ...options,
      delete: true,
      parallel: 1,
      onDone: (b, a) => a === 'deleted' && gone.push(b.id),
    })
    expect(gone).toEqual(['n9', 'p9'])
    expect(await listed(to.storage, '')).toEqual(await listed(from.storage, ''))
  })

  test('is only compared in a dry run, the format blob excepted', async () => {
    const from = source()
    const to = place()
    const { toCopy } = await syncStorage(from.storage, to.storage, { ...options, dryRun: true })
    expect(toCopy).toHaveLength(7)
    expect(await listed(to.storage, '')).toEqual(['kopia.repository'])
  })

  test('keeps times where the target can, and says once where it cannot', async () => {
    const from = source()
    const to = place('AAAA')
    await syncStorage(from.storage, to.storage, { ...options, times: true })
    expect(to.blobs.get('p1')?.modifiedMs).toBe(second)
    class Timeless extends ForwardingStorage {
      override async put(id: string, parts: readonly Uint8Array[], given?: PutOptions): Promise<BlobInfo> {
        if (given?.modifiedMs !== undefined) throw new UnsupportedOptionError('this', 'times')
        return this.inner.put(id, parts, given)
      }
    }
    const plain = place()
    const warnings: string[] = []
    await syncStorage(from.storage, new Timeless(plain.storage), { ...options, times: true, warn: (m) => warnings.push(m) })
    expect(warnings).toHaveLength(1)
    expect(await listed(plain.storage, '')).toEqual(await listed(from.storage, ''))
  })

  test('passes over what vanishes from the source meanwhile', async () => {
    const from = source()
    class Vanishing extends ForwardingStorage {
      override get(id: string): Promise<Buffer> {
        if (id === 'p2') from.blobs.delete('p2')
        return this.inner.get(id)
      }
    }
    const to = place()
    const vanished: string[] = []
    await syncStorage(new Vanishing(from.storage), to.storage, { ...options, onDone: (b, a) => a === 'vanished' && vanished.push(b.id) })
    expect(vanished).toEqual(['p2'])
  })
})

describe('a target', () => {
  test('with another repository is refused, and nothing of it changes', async () => {
    const to = place('BBBB')
    to.put('p9', 'theirs')
    const before = [...to.blobs.keys()]
    await expect(syncStorage(source().storage, to.storage, { ...options, delete: true })).rejects.toThrow(NotAMirrorError)
    expect([...to.blobs.keys()]).toEqual(before)
  })

  test('whose format blob has no ID, or is no JSON, is refused', async () => {
    const to = place()
    for (const text of ['{}', 'garbage', '[]']) {
      to.put('kopia.repository', text)
      await expect(syncStorage(source().storage, to.storage, options)).rejects.toThrow(/unique ID/)
    }
  })

  test('without a repository is refused when it must exist, and is not emptied when it holds other data', async () => {
    await expect(syncStorage(source().storage, place().storage, { ...options, mustExist: true })).rejects.toThrow(/holds no repository/)
    const to = place()
    to.put('holiday.jpg', 'precious')
    await expect(syncStorage(source().storage, to.storage, { ...options, delete: true })).rejects.toThrow(/nothing is deleted/)
    expect(to.blobs.has('holiday.jpg')).toBe(true)
  })

  test('needs at least one worker', async () => {
    await expect(syncStorage(source().storage, place().storage, { ...options, parallel: 0 })).rejects.toThrow(UsageError)
  })
})
