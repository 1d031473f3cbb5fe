import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { filesystemBackend } from '#repo/blob/filesystem.ts'
import { filesystemOptions } from '#repo/blob/filesystem-options.ts'
import { type ContentId, hashOf } from '#repo/content/content-id.ts'
import { allIds } from '#repo/content/content-info.ts'
import { openContentStore } from '#repo/content/direct-store.ts'
import { recoverIndex } from '#repo/content/recover.ts'
import { verifyContents } from '#repo/content/verify.ts'
import { createCipher } from '#repo/crypto/cipher.ts'
import { createHasher } from '#repo/crypto/hash.ts'
import { openFormatBlob } from '#repo/format/format-blob.ts'
import { type FixtureFacts, fixtureFacts, unpackFixture } from '../../support/fixtures.ts'
import { namesOf } from './rig.ts'

interface ContentFact {
  readonly packFile?: string
  readonly time: number
  readonly originalLength: number
  readonly length: number
  readonly packOffset?: number
  readonly compression?: string
  readonly contentID: ContentId
  readonly deleted: boolean
  readonly formatVersion: number
}

async function openFixture(name: string) {
  const facts = fixtureFacts<FixtureFacts & { contents: ContentFact[] }>(name)
  const unpacked = unpackFixture(name)
  const storage = await filesystemBackend.open(filesystemOptions(unpacked.path), false)
  const { format, formatKey } = await openFormatBlob(readFileSync(join(unpacked.path, 'kopia.repository.f')), facts.password)
  const hasher = await createHasher(format.hash, format.secret)
  const cipher = createCipher(format)
  const warnings: string[] = []
  const store = await openContentStore({
    storage,
    format,
    hasher,
    cipher,
    formatKey,
    client: { hostname: 'laptop', username: 'alice' },
    cache: {},
    warn: (message) => warnings.push(message),
  })
  return { facts, storage, store, hasher, cipher, warnings, remove: unpacked.remove }
}

const names = ['format-v1', 'format-v1-index-v2', 'epochs', 'index-v0-compaction', 'ecc-2', 'undeleted', 'content-rewritten', 'compressors']

describe.each([...names, 'upgraded-v1-to-v3', 'hash-hmac-sha3-224', 'shards-flat'])('the repository %s that Kopia made', (name) => {
  test('lists the contents that Kopia lists, and all of them can be read and hash to their IDs', async () => {
    const { facts, storage, store, hasher, warnings, remove } = await openFixture(name)
    try {
      const rows = [...store.iterate(allIds, true)]
      const seen = rows.map((r) => [r.id, r.packBlob, r.packOffset, r.packedLength, r.originalLength, r.timestampSeconds, r.deleted])
      const stated = facts.contents.map((c) => [
        c.contentID,
        c.packFile ?? '',
        c.packOffset ?? 0,
        c.length,
        c.originalLength,
        c.time,
        c.deleted,
      ])
      expect(seen.sort()).toEqual(stated.sort())
      const plains = await Promise.all(rows.map(({ id }) => store.get(id)))
      for (const [i, { id, originalLength }] of rows.entries()) {
        const plain = plains[i] as Buffer
        expect(plain.length, id).toBe(originalLength)
        expect(hasher.digest(plain).equals(hashOf(id)), id).toBe(true)
      }
      expect(await verifyContents(store, storage, { includeDeleted: true })).toEqual({ checked: rows.length, read: 0, errors: 0 })
      expect(warnings).toEqual([])
    } finally {
      remove()
    }
  })
})

test.each(['format-v1', 'hash-hmac-sha3-224', 'ecc-2'])('the packs of %s give up records of every content in them', async (name) => {
  const { storage, store, cipher, remove } = await openFixture(name)
  try {
    const recovered = new Set<string>()
    for (const prefix of ['p', 'q'])
      for (const pack of await namesOf(storage, prefix)) for (const { id } of await recoverIndex(storage, cipher, pack)) recovered.add(id)
    expect([...store.iterate(allIds, true)].filter(({ id }) => !recovered.has(id))).toEqual([])
  } finally {
    remove()
  }
})

test('contents that are added to a repository of version 1 are read back through its version 1 indexes', async () => {
  const { store, storage, remove } = await openFixture('format-v1')
  try {
    const before = store.activeIndexes.length
    const ids = await store.putMany([
      { prefix: '', data: Buffer.from('new'), compressionHeader: 0 },
      { prefix: 'm', data: Buffer.alloc(5000, 'x'), compressionHeader: 0x1101 },
    ])
    await store.flush()
    await store.refresh()
    expect(store.activeIndexes.length).toBe(before + 1)
    expect((await store.get(ids[0] as ContentId)).toString()).toBe('new')
    expect(store.info(ids[1] as ContentId)).toMatchObject({ compressionHeader: 0, originalLength: 5000, formatVersion: 1 })
    expect(await namesOf(storage, 's')).toEqual([])
  } finally {
    remove()
  }
})
