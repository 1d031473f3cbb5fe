import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { memoryStorage } from '#repo/blob/memory.ts'
import { isCacheName } from '#repo/content/cache/cache-keys.ts'
import type { ContentId } from '#repo/content/content-id.ts'
import { buildIndex } from '#repo/content/index/build.ts'
import { sealBlob } from '#repo/crypto/blob-sealing.ts'
import { createCipher } from '#repo/crypto/cipher.ts'
import { createHasher } from '#repo/crypto/hash.ts'
import { row } from '../index/sample-rows.ts'
import { openTestStore, testFormat } from '../rig.ts'

let place: string
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'kura-cache-'))
  mkdirSync(join(place, 'cache'))
})
afterEach(() => rmSync(place, { recursive: true, force: true }))

test('names from an object store lead to no file outside of the cache', async () => {
  // An object store takes any name, so a pack and an index blob may be called like paths.
  const storage = memoryStorage()
  const packs = ['p/../../outside', 'q/../../outside', 'p..', 'q../../../outside']
  const rows = packs.map((packBlob, i) => row((packBlob.startsWith('q') ? 'k' : '') + String(i).repeat(32), { packBlob, packOffset: 0 }))
  const cipher = createCipher(testFormat)
  const { id, data } = sealBlob(await createHasher(testFormat.hash, testFormat.secret), cipher, '', buildIndex(rows, 2)[0] as Buffer)
  await storage.put(`xn0_../../../../outside${id}`, [data])
  for (const pack of packs) await storage.put(pack, [Buffer.alloc(300)])
  writeFileSync(join(place, 'outside.f'), 'mine')
  writeFileSync(join(place, 'outsidep.f'), 'mine')
  const store = await openTestStore(storage, {
    cache: { directory: join(place, 'cache'), cacheLocalStorage: true, contentBytes: 1e6, metadataBytes: 1e6 },
  })
  for (const { id } of rows) {
    await expect(store.get(id as ContentId)).rejects.toThrow(/damaged|decrypt/)
    await store.prefetch([id as ContentId], 'blobs')
    await expect(store.get(id as ContentId)).rejects.toThrow(/damaged|decrypt/)
  }
  await store.close()
  expect(readdirSync(place).sort()).toEqual(['cache', 'outside.f', 'outsidep.f'])
  expect(readFileSync(join(place, 'outside.f'), 'utf8')).toBe('mine')
})

test('names of blobs that clients make may be names of files', () => {
  const names = ['xn0_0123abcd-s01-c1', 'n0123abcd', 'kopia.blobcfg', `${'a'.repeat(33)}p-s0123456789abcdef13c`]
  expect(names.every(isCacheName)).toBe(true)
  for (const name of ['', '.', '..', '.x', 'a/b', 'a\\b', 'a\0b', '../x', 'é', 'x'.repeat(256)]) expect(isCacheName(name)).toBe(false)
})
