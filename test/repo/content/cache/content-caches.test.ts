import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { memoryStorage, type StoredBlob } from '#repo/blob/memory.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import type { ContentId } from '#repo/content/content-id.ts'
import { data, openTestStore, TestClock } from '../rig.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kura-cache-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const files = (name: string): string[] =>
  readdirSync(join(directory, name), { recursive: true, withFileTypes: true })
    .filter((f) => f.isFile() && f.name !== '.shards')
    .map((f) => join(f.parentPath, f.name))

/** A storage that writes down what is asked of it. */
function watched(blobs: Map<string, StoredBlob>): { storage: BlobStorage; calls: string[] } {
  const inner = memoryStorage(undefined, blobs)
  const calls: string[] = []
  const get: BlobStorage['get'] = (id, range) => {
    calls.push(`get ${id.slice(0, 2)}${range ? ' range' : ''}`)
    return inner.get(id, range)
  }
  const list: BlobStorage['list'] = (prefix) => {
    calls.push(`list ${prefix}`)
    return inner.list(prefix)
  }
  return { storage: Object.assign(Object.create(inner), { get, list }) as BlobStorage, calls }
}

async function filled(): Promise<{ blobs: Map<string, StoredBlob>; ids: ContentId[] }> {
  const blobs = new Map<string, StoredBlob>()
  const store = await openTestStore(memoryStorage(undefined, blobs))
  const ids = await store.putMany([data('hello'), data('world'), data('tree', 'k'), data('manifest', 'm')])
  await store.flush()
  return { blobs, ids }
}

const isPack = (call: string): boolean => /^get [pq]/.test(call)

test('contents are fetched once by a range for those that lie together, metadata packs once as a whole, and indexes not again', async () => {
  const { blobs, ids } = await filled()
  const first = watched(blobs)
  const store = await openTestStore(first.storage, { cache: { directory } })
  for (let round = 0; round < 2; round++)
    expect((await Promise.all(ids.map((id) => store.get(id)))).map(String)).toEqual(['hello', 'world', 'tree', 'manifest'])
  expect(
    first.calls
      .filter(isPack)
      .map((c) => c.replace(/get (.)./, '$1'))
      .sort(),
  ).toEqual(['p range', 'q'])
  const second = watched(blobs)
  const again = await openTestStore(second.storage, { cache: { directory } })
  await Promise.all(ids.map((id) => again.get(id)))
  expect(second.calls.filter((call) => call.startsWith('get'))).toEqual([])
  expect(files('indexes').length).toBe(1)
  expect(files('index-blobs').length).toBe(1)
})

test('a metadata pack that the cache does not take is fetched whole once, then by range', async () => {
  const { blobs, ids } = await filled()
  const { storage, calls } = watched(blobs)
  const store = await openTestStore(storage, { cache: { directory }, warn: () => undefined })
  writeFileSync(join(directory, 'metadata'), 'no folder')
  for (let round = 0; round < 2; round++) for (const id of ids.slice(2)) await store.get(id)
  expect(calls.filter(isPack).map((call) => call.endsWith('range'))).toEqual([false, true, true, true])
})

test('requests for one content at the same time share one fetch', async () => {
  const { blobs, ids } = await filled()
  const { storage, calls } = watched(blobs)
  const store = await openTestStore(storage, { cache: { directory } })
  await Promise.all(Array.from({ length: 10 }, () => store.get(ids[0] as ContentId)))
  await Promise.all(Array.from({ length: 10 }, () => store.get(ids[2] as ContentId)))
  expect(calls.filter(isPack).length).toBe(2)
})

test.each(['contents', 'metadata', 'index-blobs', 'indexes'])('damage in the %s cache costs a fetch, nothing else', async (name) => {
  const { blobs, ids } = await filled()
  const store = await openTestStore(memoryStorage(undefined, blobs), { cache: { directory } })
  for (const id of ids) await store.get(id)
  if (name === 'index-blobs') for (const path of files('indexes')) rmSync(path)
  for (const path of files(name)) {
    const bytes = readFileSync(path)
    writeFileSync(
      path,
      bytes.map((byte) => byte ^ 0xff),
    )
  }
  const again = await openTestStore(memoryStorage(undefined, blobs), { cache: { directory } })
  expect((await Promise.all(ids.map((id) => again.get(id)))).map(String)).toEqual(['hello', 'world', 'tree', 'manifest'])
})

test('a prefetch of whole packs makes reads come from the cache', async () => {
  const { blobs, ids } = await filled()
  const { storage, calls } = watched(blobs)
  const store = await openTestStore(storage, { cache: { directory } })
  const unknown = 'ff'.repeat(16) as ContentId
  expect(await store.prefetch([...ids, unknown], 'blobs')).toEqual(ids)
  calls.length = 0
  for (const id of ids) await store.get(id)
  expect(calls.filter(isPack)).toEqual([])
})

test('a prefetch with the hint "none" fetches nothing, one of single contents fetches a range', async () => {
  const { blobs, ids } = await filled()
  const { storage, calls } = watched(blobs)
  const store = await openTestStore(storage, { cache: { directory } })
  await store.prefetch(ids, 'none')
  expect(calls.filter(isPack)).toEqual([])
  await store.prefetch(ids.slice(0, 2), 'contents')
  expect(calls.filter(isPack)).toEqual([expect.stringContaining('range')])
})

test('listings are reused for their life, and own writes end it', async () => {
  const { blobs, ids } = await filled()
  const clock = new TestClock(Date.now())
  const open = async () => {
    const { storage, calls } = watched(blobs)
    return { calls, store: await openTestStore(storage, { cache: { directory, listSeconds: 30 }, clock }) }
  }
  const lists = (calls: string[]) => calls.filter((call) => call === 'list xs').length
  await open()
  const second = await open()
  expect(lists(second.calls)).toBe(0)
  expect(second.store.info(ids[0] as ContentId)).toBeDefined()
  clock.ms += 31_000
  expect(lists((await open()).calls)).toBe(1)
  const writer = await open()
  const id = await writer.store.put(data('new'))
  await writer.store.flush()
  expect((await open()).store.info(id)).toBeDefined()
  expect(
    JSON.parse(
      readFileSync(join(directory, 'blob-list', 'xs.f'))
        .subarray(0, -32)
        .toString(),
    ),
  ).toMatchObject({ blobs: [] })
})

test('an own index blob that the listing does not show yet is used, a deleted one is not', async () => {
  const { blobs } = await filled()
  const lagging = (hidden: () => boolean): BlobStorage => {
    const inner = memoryStorage(undefined, blobs)
    const before = new Set(blobs.keys())
    async function* list(prefix: string) {
      for await (const blob of inner.list(prefix)) if (!hidden() || before.has(blob.id)) yield blob
    }
    return Object.assign(Object.create(inner), { list }) as BlobStorage
  }
  const storage = lagging(() => true)
  const store = await openTestStore(storage, { cache: { directory } })
  const id = await store.put(data('mine'))
  await store.flush()
  const reader = await openTestStore(storage, { cache: { directory } })
  expect(reader.info(id)).toBeDefined()
})

test('a cache directory that cannot be made is reported once and the work goes on', async () => {
  const { blobs, ids } = await filled()
  const file = join(directory, 'file')
  writeFileSync(file, '')
  const warnings: string[] = []
  const store = await openTestStore(memoryStorage(undefined, blobs), {
    cache: { directory: join(file, 'cache') },
    warn: (message) => warnings.push(message),
  })
  expect((await store.get(ids[0] as ContentId)).toString()).toBe('hello')
  expect(warnings.length).toBe(1)
})
