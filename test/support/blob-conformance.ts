import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { BlobExistsError, BlobNotFoundError, BlobRangeError } from '#repo/blob/errors.ts'
import type { BlobInfo, BlobStorage } from '#repo/blob/storage.ts'

const bytes = (text: string): Buffer => Buffer.from(text)

export async function listed(storage: BlobStorage, prefix: string): Promise<string[]> {
  const ids: string[] = []
  for await (const { id } of storage.list(prefix)) ids.push(id)
  return ids.sort()
}

async function infoFromList(storage: BlobStorage, id: string): Promise<BlobInfo | undefined> {
  for await (const info of storage.list(id)) if (info.id === id) return info
  return undefined
}

const pack = 'p00003237e0ac3607edbee743a26b0b34-s0123456789abcdef'
const neighbours = ['p00003237e0ac3607edbee743a26b0b35-s0123456789abcdef', 'p0000ffffffffffffffffffffffffffff-s0123456789abcdef']

/** What every storage must do (spec 04, 4.1), by name. Each case gets an empty storage of its own. */
export const blobCases: Readonly<Record<string, (s: BlobStorage) => Promise<void>>> = {
  'a blob comes back as it was put': async (s) => {
    const data = randomBytes(100_001)
    await s.put(pack, [data])
    expect((await s.get(pack)).equals(data)).toBe(true)
  },
  'parts are joined in order, empty ones too': async (s) => {
    await s.put('q1', [bytes('ab'), bytes(''), bytes('cde')])
    expect((await s.get('q1')).toString()).toBe('abcde')
  },
  'an empty blob can be kept': async (s) => {
    await s.put('empty', [])
    expect(await s.get('empty')).toHaveLength(0)
    expect((await s.stat('empty')).sizeBytes).toBe(0)
  },
  'a second put replaces the first': async (s) => {
    await s.put('a', [bytes('a much longer first version')])
    await s.put('a', [bytes('short')])
    expect((await s.get('a')).toString()).toBe('short')
    expect(await listed(s, '')).toEqual(['a'])
  },
  'exactly the range comes back': async (s) => {
    await s.put(pack, [bytes('0123456789')])
    expect((await s.get(pack, { offset: 0, length: 10 })).toString()).toBe('0123456789')
    expect((await s.get(pack, { offset: 3, length: 4 })).toString()).toBe('3456')
    expect((await s.get(pack, { offset: 9, length: 1 })).toString()).toBe('9')
    expect(await s.get(pack, { offset: 4, length: 0 })).toHaveLength(0)
  },
  'a range past the end is BlobRangeError': async (s) => {
    await s.put('a', [bytes('xyz')])
    await expect(s.get('a', { offset: 2, length: 2 })).rejects.toThrow(BlobRangeError)
    await expect(s.get('a', { offset: 3, length: 1 })).rejects.toThrow(BlobRangeError)
    await expect(s.get('a', { offset: 1000, length: 1 })).rejects.toThrow(BlobRangeError)
  },
  'a negative offset is BlobRangeError': async (s) => {
    await s.put('a', [bytes('xyz')])
    await expect(s.get('a', { offset: -3, length: 1 })).rejects.toThrow(BlobRangeError)
  },
  'an absent blob is BlobNotFoundError': async (s) => {
    await s.put('present', [bytes('x')])
    await expect(s.get('absent')).rejects.toThrow(BlobNotFoundError)
    await expect(s.get('absent', { offset: 0, length: 5 })).rejects.toThrow(BlobNotFoundError)
    await expect(s.stat('absent')).rejects.toThrow(BlobNotFoundError)
  },
  'listing an empty storage gives nothing': async (s) => {
    expect(await listed(s, '')).toEqual([])
    expect(await listed(s, 'p')).toEqual([])
  },
  'a listing gives the blobs with the prefix and no other': async (s) => {
    const ids = [pack, ...neighbours, 'q00003237e0ac3607edbee743a26b0b34-s0123456789abcdef', 'kopia.repository', 'xn0_short', 'p', 'p0']
    for (const id of ids) await s.put(id, [bytes(id)])
    for (const prefix of ['', 'p', 'p0', 'p00003237e0ac3607', pack, 'q', 'kopia.', 'xn0_', 'z', `${pack}-longer`])
      expect(await listed(s, prefix), `prefix ${prefix}`).toEqual(ids.filter((id) => id.startsWith(prefix)).sort())
  },
  'a listing can be left early': async (s) => {
    for (const id of ['a1', 'a2', 'a3']) await s.put(id, [bytes(id)])
    for await (const { id } of s.list('a')) {
      expect(id).toMatch(/^a[123]$/)
      break
    }
    expect(await listed(s, 'a')).toEqual(['a1', 'a2', 'a3'])
  },
  'stat, listing and put agree on size and time': async (s) => {
    const put = await s.put(pack, [bytes('hello')])
    const stat = await s.stat(pack)
    const info = await infoFromList(s, pack)
    expect(put).toMatchObject({ id: pack, sizeBytes: 5 })
    expect(stat).toMatchObject({ id: pack, sizeBytes: 5 })
    expect(info).toMatchObject({ id: pack, sizeBytes: 5 })
    expect(Math.abs(put.modifiedMs - stat.modifiedMs)).toBeLessThan(2000)
    expect(Math.abs((info?.modifiedMs ?? 0) - stat.modifiedMs)).toBeLessThan(1000)
    expect(Math.abs(stat.modifiedMs - Date.now())).toBeLessThan(180_000)
  },
  'a modification time that was asked for is kept': async (s) => {
    const modifiedMs = 1577934245000
    await s.put(pack, [bytes('old')], { modifiedMs })
    expect((await s.stat(pack)).modifiedMs).toBeCloseTo(modifiedMs, 0)
    expect((await infoFromList(s, pack))?.modifiedMs).toBeCloseTo(modifiedMs, 0)
  },
  'a put that must not replace is BlobExistsError and changes nothing': async (s) => {
    await s.put('a', [bytes('first')], { onlyIfAbsent: true })
    await expect(s.put('a', [bytes('second')], { onlyIfAbsent: true })).rejects.toThrow(BlobExistsError)
    expect((await s.get('a')).toString()).toBe('first')
  },
  'a deleted blob is gone': async (s) => {
    await s.put(pack, [bytes('x')])
    await s.put('b', [bytes('y')])
    await s.delete(pack)
    await expect(s.get(pack)).rejects.toThrow(BlobNotFoundError)
    expect(await listed(s, '')).toEqual(['b'])
  },
  'deleting twice succeeds': async (s) => {
    await s.put('a', [bytes('x')])
    await s.delete('a')
    await s.delete('a')
    await s.delete(pack)
  },
  'ranges, too, see what was put last, and nothing once it is deleted': async (s) => {
    const range = { offset: 1, length: 3 }
    await s.put(pack, [bytes('first')])
    expect((await s.get(pack, range)).toString()).toBe('irs')
    await s.put(pack, [bytes('second')])
    expect((await s.get(pack, range)).toString()).toBe('eco')
    await s.delete(pack)
    await expect(s.get(pack, range)).rejects.toThrow(BlobNotFoundError)
  },
  'the bytes that come back are the caller’s own': async (s) => {
    await s.put('a', [bytes('abc')])
    ;(await s.get('a')).fill(0)
    expect((await s.get('a')).toString()).toBe('abc')
  },
  'many puts at once all arrive': async (s) => {
    const ids = Array.from({ length: 40 }, (_, i) => `p${i.toString(16).padStart(31, '0')}`)
    await Promise.all(ids.map((id) => s.put(id, [bytes(id)])))
    expect(await listed(s, 'p')).toEqual(ids)
    expect(await Promise.all(ids.map(async (id) => (await s.get(id)).toString()))).toEqual(ids)
  },
  'readers see one whole version while a blob is replaced': async (s) => {
    const versions = [Buffer.alloc(70_000, 1), Buffer.alloc(90_000, 2)]
    await s.put('a', [versions[0] as Buffer])
    const writes = (async () => {
      for (let i = 0; i < 10; i++) await s.put('a', [versions[i % 2] as Buffer])
    })()
    for (let i = 0; i < 20; i++) {
      const seen = await s.get('a')
      expect(versions.some((v) => v.equals(seen))).toBe(true)
    }
    await writes
  },
  'it says what it is': async (s) => {
    expect(s.backend).toBe(s.connection.type)
    expect(s.displayName).not.toBe('')
    const capacity = await s.extras.capacity?.()
    if (capacity) expect(capacity.freeBytes).toBeLessThanOrEqual(capacity.totalBytes)
  },
}

/** Runs every case on a storage that `open` makes for it. `skip` maps a case's name to the reason why this storage cannot pass it. */
export function conformance(name: string, open: () => Promise<BlobStorage>, skip: Readonly<Record<string, string>> = {}): void {
  describe(`${name} is a blob storage`, () => {
    for (const [title, run] of Object.entries(blobCases))
      test.skipIf(title in skip)(skip[title] ? `${title} (skipped: ${skip[title]})` : title, async () => {
        const storage = await open()
        try {
          await run(storage)
        } finally {
          await storage.close()
        }
      })
  })
}
