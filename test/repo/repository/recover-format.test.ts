import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { filesystemBackend } from '#repo/blob/filesystem.ts'
import { filesystemOptions } from '#repo/blob/filesystem-options.ts'
import { memoryStorage } from '#repo/blob/memory.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import { embedFormatBlob } from '#repo/format/embedded-copy.ts'
import { type FormatRecovery, NoFormatCopyError, recoverFormat } from '#repo/repository/recover-format.ts'
import { fixtureFacts, unpackFixture } from '../../support/fixtures.ts'
import { openFolder } from '../../support/open-fixture.ts'

const auto: FormatRecovery = { mode: 'auto', prefixes: [], dryRun: false }

describe('a repository of version 1 that has lost its format blob', () => {
  const fixture = unpackFixture('format-v1')
  let storage: BlobStorage
  let original: Buffer
  beforeAll(async () => {
    storage = await filesystemBackend.open(filesystemOptions(fixture.path), false)
    original = await storage.get('kopia.repository')
  })
  afterAll(() => fixture.remove())

  test('gets it back from a pack, byte for byte, and opens', async () => {
    expect(await recoverFormat(storage, auto)).toBe('not needed')
    rmSync(join(fixture.path, 'kopia.repository.f'))
    expect(await recoverFormat(storage, { ...auto, mode: 'no' })).toBe('not wanted')
    expect(await recoverFormat(storage, { ...auto, dryRun: true })).toBe('found')
    expect(await recoverFormat(storage, auto)).toBe('written')
    expect((await storage.get('kopia.repository')).equals(original)).toBe(true)
    await (await openFolder(fixture.path, fixtureFacts('format-v1').password)).close()
  })

  test('finds none where it may not look', async () => {
    await expect(recoverFormat(storage, { ...auto, mode: 'yes', prefixes: ['n'] })).rejects.toThrow(NoFormatCopyError)
  })
})

describe('the search for a copy', () => {
  test('passes over blobs that only look like one', async () => {
    const memory = memoryStorage()
    await memory.put('p0', [Buffer.from('xx')])
    await memory.put('p1', [embedFormatBlob(Buffer.from('{"a":1}')), Buffer.alloc(100)])
    await memory.put('p2', [Buffer.alloc(70_000, 1)])
    await expect(recoverFormat(memory, auto)).rejects.toThrow(NoFormatCopyError)
  })
})
