import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { systemClock } from '#base/clock.ts'
import { filesystemBackend } from '#repo/blob/filesystem.ts'
import { allIds } from '#repo/content/content-info.ts'
import type { IndexBlobContext } from '#repo/content/index-blobs/context.ts'
import { createIndexBlobManager } from '#repo/content/index-blobs/create.ts'
import { createCipher } from '#repo/crypto/cipher.ts'
import { createHasher } from '#repo/crypto/hash.ts'
import { openFormatBlob } from '#repo/format/format-blob.ts'
import { type FixtureFacts, fixtureFacts, unpackFixture } from '../../../support/fixtures.ts'
import { loadSet } from './context.ts'

interface Facts extends FixtureFacts {
  readonly indexes: readonly { id: string; length: number }[]
  readonly contents: readonly { contentID: string; packFile: string; packOffset?: number; length: number; time: number; deleted: boolean }[]
}

async function withFixture(name: string, work: (context: IndexBlobContext, facts: Facts) => Promise<void>): Promise<void> {
  const facts = fixtureFacts<Facts>(name)
  const { path, remove } = unpackFixture(name)
  try {
    const storage = await filesystemBackend.open(filesystemBackend.parse({ path }), false)
    const bytes = readFileSync(join(path, 'kopia.repository.f'))
    const { format } = await openFormatBlob(bytes, facts.password)
    const hasher = await createHasher(format.hash, format.secret)
    await work({ storage, format, hasher, cipher: createCipher(format), clock: systemClock }, facts)
  } finally {
    remove()
  }
}

describe.each(['index-v0-compaction', 'epochs', 'upgraded-v1-to-v3'])('%s', (name) => {
  test('has the index blobs and contents that Kopia lists', async () => {
    await withFixture(name, async (context, facts) => {
      const active = await createIndexBlobManager(context).activeSet()
      expect(active.blobs.map(({ id }) => id).sort()).toEqual(facts.indexes.map(({ id }) => id).sort())
      const set = await loadSet(context, active)
      const rows = [...set.iterate(allIds, true)].map((r) => [
        r.id,
        r.packBlob,
        r.packOffset,
        r.packedLength,
        r.timestampSeconds,
        r.deleted,
      ])
      const expected = facts.contents.map((c) => [c.contentID, c.packFile, c.packOffset ?? 0, c.length, c.time, c.deleted])
      expect(rows).toEqual(expected.sort((a, b) => ((a[0] as string) < (b[0] as string) ? -1 : 1)))
    })
  })
})

test('compaction of a repository made by Kopia keeps every record', async () => {
  await withFixture('index-v0-compaction', async (context) => {
    const manager = createIndexBlobManager(context)
    const rows = async () => [...(await loadSet(context, await manager.activeSet())).iterate(allIds, true)]
    const before = await rows()
    await manager.compact({ maxSmallBlobs: 1, allIndexes: true })
    expect((await manager.activeSet()).blobs).toHaveLength(1)
    expect(await rows()).toEqual(before)
    await manager.compact({ maxSmallBlobs: 1, allIndexes: true, disableSafety: true, dropContents: new Set() })
    expect(await rows()).toEqual(before)
  })
})
