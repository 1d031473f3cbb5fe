import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Clock } from '#base/clock.ts'
import type { ContentId } from '#repo/content/content-id.ts'
import { ContentNotFoundError } from '#repo/content/errors.ts'
import { CorruptManifestError, InvalidManifestError, ManifestNotFoundError, ReadOnlyManifestsError } from '#repo/manifest/errors.ts'
import { latestManifest, latestPerLabel } from '#repo/manifest/labels.ts'
import type { ManifestInfo, ManifestStore } from '#repo/manifest/manifest.ts'
import { type ManifestStoreOptions, openManifestStore } from '#repo/manifest/store.ts'
import { encodeEntries, type ManifestEntry } from '#repo/manifest/stored-form.ts'
import { FakeContents } from '../object/fake-contents.ts'

const pauses = vi.hoisted((): number[] => [])
vi.mock('node:timers/promises', async (original) => ({
  ...(await original<typeof import('node:timers/promises')>()),
  setTimeout: async (ms: number) => void pauses.push(ms),
}))

let contents: FakeContents
let nowMs: number
const clock: Clock = { nowMs: () => nowMs, nowNs: () => BigInt(nowMs) * 1_000_000n }
const open = (extra: Partial<ManifestStoreOptions> = {}): ManifestStore => openManifestStore({ contents, clock, readOnly: false, ...extra })

beforeEach(() => {
  contents = new FakeContents()
  nowMs = 1_700_000_000_000
})

const live = () => [...contents.stored].filter(([id, c]) => id.startsWith('m') && !c.deleted)
const policy = { type: 'policy', policyType: 'global' }

async function store(...entries: (Partial<ManifestEntry> & { id: string })[]): Promise<void> {
  const full = entries.map((e) => ({ labels: { type: 'x' }, modifiedNs: 1n, deleted: false, json: '{}', ...e }))
  await contents.put({ prefix: 'm', data: await encodeEntries(full), compressionHeader: 0 })
  contents.revision++
}

describe('a session', () => {
  it('sees what it has put before and after the flush, and writes one content', async () => {
    const manifests = open()
    const id = await manifests.put(policy, '{"a":12345678901234567890}')
    expect(id).toMatch(/^[0-9a-f]{32}$/)
    const other = await manifests.put({ type: 'snapshot', hostname: 'h' }, '[]')
    const check = async (m: ManifestStore) => {
      expect(await m.get(id)).toMatchObject({ json: '{"a":12345678901234567890}', payload: { a: 12345678901234567890n } })
      expect((await m.find({})).map((i) => i.id).sort()).toEqual([id, other].sort())
      expect((await m.find({ type: 'snapshot' })).map((i) => i.id)).toEqual([other])
      expect(await m.find({ type: 'snapshot', hostname: 'other' })).toEqual([])
    }
    await check(manifests)
    expect(contents.puts).toHaveLength(0)
    await manifests.flush()
    expect(contents.puts).toMatchObject([{ prefix: 'm', compressionHeader: 0x1101 }])
    await check(manifests)
    await check(open())
    await manifests.flush()
    expect(contents.puts).toHaveLength(1)
  })

  it('tells size, labels and time', async () => {
    const manifests = open()
    const id = await manifests.put(policy, '{"ä":1}')
    expect(await manifests.find(policy)).toEqual([{ id, labels: policy, modifiedNs: clock.nowNs(), sizeBytes: 8 }])
  })

  it('deletes by a marker', async () => {
    const manifests = open()
    const id = await manifests.put(policy, '{}')
    await manifests.flush()
    nowMs -= 5000 // a clock that went back
    await manifests.delete(id)
    await manifests.delete('0'.repeat(32))
    await expect(manifests.get(id)).rejects.toThrow(ManifestNotFoundError)
    expect(await manifests.find({})).toEqual([])
    expect((await open().get(id)).info.id).toBe(id)
    await manifests.flush()
    await expect(open().get(id)).rejects.toThrow(ManifestNotFoundError)
    await expect(manifests.get(id)).rejects.toThrow(ManifestNotFoundError)
    expect(live()).toHaveLength(2)
  })

  it('replaces all matches, later than what it deletes', async () => {
    const manifests = open()
    await manifests.put(policy, '1')
    await manifests.put(policy, '2')
    const keep = await manifests.put({ type: 'policy', policyType: 'host' }, '3')
    await manifests.flush()
    const id = await manifests.replace(policy, '4')
    expect(pauses.splice(0)).toEqual([100])
    expect((await manifests.find(policy)).map((i) => i.id)).toEqual([id])
    nowMs += 1000
    const last = await manifests.replace(policy, '5')
    expect(pauses).toEqual([])
    await manifests.flush()
    expect((await open().find({ type: 'policy' })).map((i) => i.id).sort()).toEqual([keep, last].sort())
  })

  it('refuses manifests without type or JSON, and any change when read-only', async () => {
    const manifests = open()
    await expect(manifests.put({ name: 'x' }, '{}')).rejects.toThrow(InvalidManifestError)
    await expect(manifests.put({ type: '' }, '{}')).rejects.toThrow(InvalidManifestError)
    await expect(manifests.put(policy, '{')).rejects.toThrow(InvalidManifestError)
    for (const change of [
      (m: ManifestStore) => m.put(policy, '{}'),
      (m: ManifestStore) => m.delete('a'),
      (m: ManifestStore) => m.compact(),
    ])
      await expect(change(open({ readOnly: true }))).rejects.toThrow(ReadOnlyManifestsError)
  })

  it('keeps entries pending when a flush fails', async () => {
    const manifests = open()
    const id = await manifests.put(policy, '{}')
    contents.beforePut = async () => {
      throw new Error('full')
    }
    await expect(manifests.flush()).rejects.toThrow('full')
    contents.beforePut = async () => {}
    await manifests.flush()
    expect((await open().get(id)).json).toBe('{}')
  })
})

describe('loading', () => {
  it('merges writers: the later entry counts, markers delete', async () => {
    await store({ id: 'a', modifiedNs: 10n, json: '1' }, { id: 'b', modifiedNs: 10n })
    await store({ id: 'a', modifiedNs: 20n, json: '2' })
    await store({ id: 'a', modifiedNs: 15n, json: '3' }, { id: 'b', modifiedNs: 11n, deleted: true })
    await store({ id: 'c', modifiedNs: 5n })
    const manifests = open()
    expect((await manifests.get('a')).json).toBe('2')
    expect((await manifests.find({})).map((i) => i.id)).toEqual(['c', 'a'])
  })

  it('reads again only what is new, when the committed set changes', async () => {
    await store({ id: 'a' })
    const manifests = open()
    expect(contents.gets).toHaveLength(0)
    await Promise.all([manifests.find({}), manifests.find({}), manifests.get('a')])
    expect(contents.gets).toHaveLength(1)
    await store({ id: 'b' })
    expect((await manifests.find({})).map((i) => i.id)).toEqual(['a', 'b'])
    expect(contents.gets).toHaveLength(2)
    const [first] = live()[0] as [ContentId, unknown]
    await contents.delete(first)
    contents.revision++
    expect((await manifests.find({})).map((i) => i.id)).toEqual(['b'])
  })

  it('starts over when a content vanishes meanwhile', async () => {
    await store({ id: 'a' })
    await store({ id: 'b' })
    const [gone] = live()[0] as [ContentId, unknown]
    contents.beforeGet = async (id) => {
      if (id !== gone) return
      contents.stored.delete(gone)
      throw new ContentNotFoundError(gone)
    }
    expect(await open().find({})).toHaveLength(1)
  })

  it('fails as a whole on an unreadable content, unless told to ignore it', async () => {
    await store({ id: 'a' })
    await contents.put({ prefix: 'm', data: Buffer.from('not gzip'), compressionHeader: 0 })
    await expect(open().find({})).rejects.toThrow(CorruptManifestError)
    const ignored: string[] = []
    const lenient = open({ ignoreMalformed: true, onIgnored: (e) => ignored.push(e.content) })
    expect(await lenient.find({})).toHaveLength(1)
    expect(ignored).toHaveLength(1)
    await lenient.compact()
    expect(live()).toHaveLength(2)
  })

  it('copes with many manifests', async () => {
    const many = Array.from({ length: 20_000 }, (_, i) => ({
      id: i.toString(16).padStart(32, '0'),
      labels: { type: 'snapshot', path: `/p${i % 1000}` },
      modifiedNs: BigInt(i),
      json: `{"n":${i},"text":"${'x'.repeat(200)}"}`,
    }))
    await store(...many)
    const manifests = open()
    const start = process.cpuUsage()
    expect(await manifests.find({ type: 'snapshot' })).toHaveLength(20_000)
    for (let i = 0; i < 1000; i++) expect(await manifests.find({ type: 'snapshot', path: `/p${i}` })).toHaveLength(20)
    // Of the processor, whatever else runs: fifteen times what it takes.
    const { user, system } = process.cpuUsage(start)
    expect((user + system) / 1000).toBeLessThan(4000)
  })
})

describe('compaction', () => {
  const fill = async (count: number) => {
    for (let i = 0; i < count; i++) await store({ id: `e${i}`, modifiedNs: BigInt(i + 1), json: String(i) })
  }

  it('happens at the sixteenth content, in one index blob, and loses nothing', async () => {
    await fill(15)
    await open().find({})
    expect(live()).toHaveLength(15)
    await store({ id: 'e3', modifiedNs: 99n, deleted: true })
    await open({ readOnly: true }).find({})
    expect(live()).toHaveLength(16)
    const manifests = open()
    expect(await manifests.find({})).toHaveLength(14)
    expect(live()).toHaveLength(1)
    expect(contents.suspended).toBe(1)
    expect(contents.flushes).toBe(1)
    for (const m of [manifests, open()]) {
      expect((await m.find({})).map((i) => i.id)).not.toContain('e3')
      expect((await m.get('e14')).json).toBe('14')
    }
  })

  it('on request leaves one content alone, and empties a store without entries', async () => {
    await fill(1)
    await open().compact()
    expect(contents.puts).toHaveLength(1)
    await store({ id: 'e0', modifiedNs: 50n, deleted: true })
    await open().compact()
    expect(live()).toHaveLength(0)
  })

  it('keeps pending entries pending', async () => {
    await fill(3)
    const manifests = open()
    const id = await manifests.put(policy, '{}')
    await manifests.delete('e1')
    await manifests.compact()
    expect(live()).toHaveLength(1)
    expect((await manifests.find({})).map((i) => i.id)).toEqual(['e0', 'e2', id])
    expect(await open().find({})).toHaveLength(3)
    await manifests.flush()
    expect((await open().find({})).map((i) => i.id)).toEqual(['e0', 'e2', id])
  })
})

describe('duplicates', () => {
  const info = (id: string, time: bigint, user: string): ManifestInfo => ({ id, labels: { user }, modifiedNs: time, sizeBytes: 0 })

  it('the latest wins, then the greater ID', () => {
    expect(latestManifest([])).toBeUndefined()
    expect(latestManifest([info('b', 1n, ''), info('a', 2n, '')])?.id).toBe('a')
    expect(latestManifest([info('b', 2n, ''), info('a', 2n, '')])?.id).toBe('b')
  })

  it('one per value of a label remains', () => {
    const list = [info('1', 1n, 'u'), info('2', 2n, 'v'), info('3', 3n, 'u')]
    expect(latestPerLabel(list, 'user').map((i) => i.id)).toEqual(['2', '3'])
  })
})
