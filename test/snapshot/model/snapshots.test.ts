import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { UsageError } from '#base/errors.ts'
import { goJson, parseLosslessJson } from '#base/go-json.ts'
import { parseTimeNs } from '#base/time.ts'
import type { ObjectId } from '#repo/object/object.ts'
import { encodeDirectory } from '#snapshot/model/directory-json.ts'
import { PathNotFoundError, SnapshotFormatError } from '#snapshot/model/errors.ts'
import { decodeSnapshot, encodeSnapshot } from '#snapshot/model/manifest-json.ts'
import { parseObjectId, resolveTree } from '#snapshot/model/object-path.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import {
  choosePrevious,
  findPrevious,
  findSnapshotsById,
  groupBySource,
  listSnapshots,
  listSources,
  loadSnapshot,
  saveSnapshot,
  updateSnapshot,
} from '#snapshot/model/snapshots.ts'
import { formatSource, parseSource } from '#snapshot/model/source-text.ts'
import { sharedPath } from '../../support/shared.ts'
import { fakeRepository } from '../fake-repository.ts'

interface VectorManifest {
  readonly id: string
  readonly labels: Record<string, string> | null
  readonly data: unknown
}

/** Stored snapshot manifests with the exact text of their payload. */
function vectorSnapshots(): { id: string; text: string }[] {
  const { contents } = JSON.parse(readFileSync(sharedPath('spec/vectors/manifests.json'), 'utf8')) as { contents: { json: string }[] }
  return contents.flatMap(({ json }) =>
    (JSON.parse(json) as { entries: VectorManifest[] }).entries
      .filter((e) => e.labels?.['type'] === 'snapshot')
      .map((e) => ({ id: e.id, text: goJson(parseLosslessJson(JSON.stringify(e.data)) as never) })),
  )
}

const data: Snapshot = {
  id: '',
  source: { user: 'ann', host: 'h1', path: '/data' },
  description: '',
  startNs: parseTimeNs('2024-01-02T03:04:05.1Z'),
  endNs: parseTimeNs('2024-01-02T03:04:09Z'),
  stats: {
    totalBytes: 6,
    excludedBytes: 0,
    fileCount: 1,
    cachedFileCount: 0,
    nonCachedFileCount: 1,
    directoryCount: 2,
    excludedFileCount: 0,
    excludedDirectoryCount: 0,
    ignoredErrorCount: 0,
    errorCount: 0,
  },
  rootEntry: {
    name: 'data',
    type: 'd',
    mode: 0o755,
    sizeBytes: 0,
    modifiedNs: parseTimeNs('2024-01-02T03:04:00Z'),
    uid: 1000,
    gid: 1000,
    objectId: 'k37ee2a3b798967ddb1cff83bcdafc863' as ObjectId,
    summary: {
      totalBytes: 6,
      fileCount: 1,
      symlinkCount: 1,
      directoryCount: 2,
      maxTimeNs: parseTimeNs('2024-01-02T03:04:07Z'),
      fatalErrorCount: 0,
      ignoredErrorCount: 0,
      errors: [],
    },
  },
  tags: { 'tag:env': 'prod' },
  pins: ['release'],
}

describe('snapshot manifests', () => {
  it('the example of the specification is written byte for byte', () => {
    expect(encodeSnapshot(data)).toBe(
      '{"id":"","source":{"host":"h1","userName":"ann","path":"/data"},"description":"","startTime":"2024-01-02T03:04:05.1Z",' +
        '"endTime":"2024-01-02T03:04:09Z","stats":{"totalSize":6,"excludedTotalSize":0,"fileCount":1,"cachedFiles":0,' +
        '"nonCachedFiles":1,"dirCount":2,"excludedFileCount":0,"excludedDirCount":0,"ignoredErrorCount":0,"errorCount":0},' +
        '"rootEntry":{"name":"data","type":"d","mode":"0755","mtime":"2024-01-02T03:04:00Z","uid":1000,"gid":1000,' +
        '"obj":"k37ee2a3b798967ddb1cff83bcdafc863","summ":{"size":6,"files":1,"symlinks":1,"dirs":2,' +
        '"maxTime":"2024-01-02T03:04:07Z","numFailed":0}},"tags":{"tag:env":"prod"},"pins":["release"]}',
    )
  })
  it('those written by Kopia survive decoding and encoding', () => {
    const all = vectorSnapshots()
    expect(all.length).toBeGreaterThan(3)
    for (const { id, text } of all) expect(encodeSnapshot(decodeSnapshot(id, parseLosslessJson(text)))).toBe(text)
  })
  it('those that the fixtures list survive, whatever they hold', () => {
    let checked = 0
    for (const name of readdirSync(sharedPath('fixtures')).filter((n) => n.endsWith('.json'))) {
      const { snapshots } = JSON.parse(readFileSync(sharedPath('fixtures', name), 'utf8')) as { snapshots?: Record<string, unknown>[] }
      for (const listed of snapshots ?? []) {
        const { retentionReason: _, ...payload } = listed
        const id = payload['id'] as string
        expect(JSON.parse(encodeSnapshot(decodeSnapshot(id, payload), id)), `${name} ${id}`).toEqual(payload)
        checked++
      }
    }
    expect(checked).toBeGreaterThan(50)
  })
  it('a damaged payload is an error that names the manifest', () => {
    for (const bad of [null, 5, [], { startTime: 'now' }, { stats: { totalSize: 'x' } }, { tags: { a: 1 } }, { rootEntry: [] }])
      expect(() => decodeSnapshot('abc', bad)).toThrow(SnapshotFormatError)
    expect(() => decodeSnapshot('abc', { startTime: 'now' })).toThrow(/abc/)
  })
})

describe('sources', () => {
  const defaults = { user: 'me', host: 'here', workingDirectory: '/w' }
  it.each([
    ['(global)', { user: '', host: '', path: '' }],
    ['a@b:/x/../y/', { user: 'a', host: 'b', path: '/x/../y/' }],
    ['a@b', { user: 'a', host: 'b', path: '' }],
    ['@b', { user: '', host: 'b', path: '' }],
    ['/data/a@b', { user: '/data/a', host: 'b', path: '' }],
    ['x/../y//z/', { user: 'me', host: 'here', path: '/w/y/z' }],
    ['/a:b@c', { user: 'me', host: 'here', path: '/a:b@c' }],
    ['@b:/x', { user: 'me', host: 'here', path: '/w/@b:/x' }],
  ])('%s', (text, expected) => expect(parseSource(text, defaults)).toEqual(expected))
  it('a user without a host is refused', () => expect(() => parseSource('a@', defaults)).toThrow(UsageError))
  it('text forms', () => {
    expect(['(global)', '@h', 'u@h', 'u@h:/p'].map((t) => formatSource(parseSource(t, defaults)))).toEqual([
      '(global)',
      '@h',
      'u@h',
      'u@h:/p',
    ])
  })
})

describe('the list of snapshots', () => {
  it('saves, finds by source and tag, updates under a new ID', async () => {
    const { repository, manifests } = fakeRepository()
    const a = await saveSnapshot(repository, data)
    const b = await saveSnapshot(repository, { ...data, tags: {}, startNs: 1n, source: { ...data.source, path: '/other' } })
    expect(manifests.stored.get(a)?.info.labels).toEqual({
      type: 'snapshot',
      username: 'ann',
      hostname: 'h1',
      path: '/data',
      'tag:env': 'prod',
    })
    expect((await listSnapshots(repository)).map((s) => s.id)).toEqual([b, a])
    expect((await listSnapshots(repository, { source: data.source })).map((s) => s.id)).toEqual([a])
    expect((await listSnapshots(repository, { tags: { 'tag:env': 'prod' } })).map((s) => s.id)).toEqual([a])
    expect(await listSources(repository)).toEqual([data.source, { ...data.source, path: '/other' }])
    expect(groupBySource(await listSnapshots(repository)).map((g) => g.source.path)).toEqual(['/data', '/other'])
    const c = await updateSnapshot(repository, { ...(await loadSnapshot(repository, a)), pins: ['z', 'a', 'z'] })
    expect((await loadSnapshot(repository, c)).pins).toEqual(['a', 'z'])
    await expect(loadSnapshot(repository, a)).rejects.toMatchObject({ code: 'MANIFEST_NOT_FOUND' })
    expect(await findSnapshotsById(repository, c)).toHaveLength(1)
    expect(await findSnapshotsById(repository, 'k37ee2a3b798967ddb1cff83bcdafc863')).toHaveLength(2)
  })
  it('refuses sources without a host and tags named like labels', async () => {
    const { repository } = fakeRepository()
    await expect(saveSnapshot(repository, { ...data, source: { ...data.source, host: '' } })).rejects.toThrow(UsageError)
    await expect(saveSnapshot(repository, { ...data, tags: { path: 'x' } })).rejects.toThrow(UsageError)
    await expect(saveSnapshot(repository, { ...data, description: 'ä'.repeat(513) })).rejects.toThrow(UsageError)
  })
  it('reports damaged manifests and goes on, or throws', async () => {
    const { repository, manifests } = fakeRepository()
    await saveSnapshot(repository, data)
    manifests.add('bad', { type: 'snapshot' }, '{"startTime":5}')
    manifests.add('policy', { type: 'policy' }, '{}')
    const damaged: string[] = []
    expect(await listSnapshots(repository, { onDamaged: (id) => damaged.push(id) })).toHaveLength(1)
    expect(damaged).toEqual(['bad'])
    await expect(listSnapshots(repository)).rejects.toThrow(SnapshotFormatError)
    await expect(loadSnapshot(repository, 'policy')).rejects.toThrow(/not a snapshot/)
  })
  it('previous snapshots: the newest complete one, then later incomplete ones', async () => {
    const at = (startNs: bigint, incomplete?: string): Snapshot => ({
      ...data,
      id: String(startNs),
      startNs,
      ...(incomplete ? { incomplete } : {}),
    })
    const all = [at(1n), at(5n), at(3n, 'canceled'), at(9n, 'canceled'), at(7n, 'checkpoint')]
    expect(choosePrevious(all).map((s) => s.id)).toEqual(['5', '9', '7'])
    expect(choosePrevious(all, 8n).map((s) => s.id)).toEqual(['5', '7'])
    expect(choosePrevious(all.slice(2)).map((s) => s.id)).toEqual(['3', '9', '7'])
    const { rootEntry: _, ...rootless } = at(11n)
    expect(choosePrevious([...all, rootless]).map((s) => s.id)).toEqual([])
    const { repository } = fakeRepository()
    for (const s of all) await saveSnapshot(repository, s)
    expect((await findPrevious(repository, data.source)).map((s) => s.startNs)).toEqual([5n, 9n, 7n])
  })
})

describe('object IDs', () => {
  it.each(['Df0f0', 'IIDxf0f0', 'xf0f0', 'Zf0', 'Ikab'])('%s is valid', (t) => expect(parseObjectId(t)).toBe(t.replace('D', '')))
  it.each(['', 'Dxf0f', 'Da', 'Daf0f0', 'X', 'I.', 'I1', 'IZabcd', 'ZIab', `x${'ab'.repeat(33)}`])('%s is not', (t) =>
    expect(parseObjectId(t)).toBeUndefined(),
  )
})

describe('resolveTree', () => {
  async function tree() {
    const fake = fakeRepository()
    const file = {
      ...data.rootEntry,
      name: 'f',
      type: 'f',
      objectId: fake.objects.put('', Buffer.from('hello')),
    } as Snapshot['rootEntry'] & object
    const summary = data.rootEntry?.summary as NonNullable<NonNullable<Snapshot['rootEntry']>['summary']>
    const objectId = fake.objects.put('k', encodeDirectory([file], summary))
    const top = fake.objects.put('k', encodeDirectory([{ ...file, name: 'sub', type: 'd', objectId }], summary))
    const snapshot: Snapshot = { ...data, rootEntry: { ...(data.rootEntry as typeof file), objectId: top } }
    const id = await saveSnapshot(fake.repository, snapshot)
    return { ...fake, id, top, file, snapshot }
  }
  it('finds by manifest ID, by root object ID, and by any object ID', async () => {
    const { repository, id, top, file } = await tree()
    expect(await resolveTree(repository, id)).toMatchObject({ path: '', entry: { name: 'data' }, snapshot: { id } })
    expect(await resolveTree(repository, `${id}//sub/f`)).toMatchObject({ path: 'sub/f', entry: { objectId: file.objectId } })
    expect(await resolveTree(repository, `${top}/sub`)).toMatchObject({ entry: { type: 'd' }, snapshot: { id } })
    const detected = await resolveTree(repository, file.objectId)
    expect(detected).toMatchObject({ entry: { name: 'file', mode: 0o644, sizeBytes: 5 }, snapshot: undefined })
  })
  it('roots with different attributes: the latest, or an error when asked to be consistent', async () => {
    const { repository, top, snapshot } = await tree()
    const later = { ...snapshot, startNs: snapshot.startNs + 1n, rootEntry: { ...(snapshot.rootEntry as object), mode: 0o700 } } as Snapshot
    const laterId = await saveSnapshot(repository, later)
    expect((await resolveTree(repository, top)).snapshot?.id).toBe(laterId)
    await expect(resolveTree(repository, top, { consistent: true })).rejects.toThrow(UsageError)
    expect((await resolveTree(repository, `${top}/sub`, { consistent: true })).snapshot?.id).toBe(laterId)
  })
  it('says what is missing', async () => {
    const { repository, id } = await tree()
    await expect(resolveTree(repository, `${id}/nope`)).rejects.toThrow(PathNotFoundError)
    await expect(resolveTree(repository, `${id}/sub/f/x`)).rejects.toThrow(/not a directory/)
    await expect(resolveTree(repository, 'Q')).rejects.toThrow(UsageError)
  })
})
