import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type BackupOptions, type OpenedOverlay, openOverlays } from '#mount/backup/open-overlay.ts'
import { flushKept } from '#mount/flush/kept.ts'
import { inspectStaging } from '#mount/staging/inspect.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { createSnapshot } from '#snapshot/upload/create.ts'
import { contentOf, memoryRepository, rootOf, treeOf } from '../snapshot/memory-repository.ts'
import { contentAt, flushNow, put } from './flush/real-overlay.ts'

let folder: string
let local: string
let repository: DirectRepository
let opened: OpenedOverlay[]

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kura-open-'))
  local = join(folder, 'local')
  mkdirSync(local)
  ;({ repository } = await memoryRepository())
  opened = []
})
afterEach(async () => {
  await close()
  rmSync(folder, { recursive: true })
})

async function close(): Promise<void> {
  for (const { staging } of opened.splice(0)) await staging.close()
}

async function snapshot(text: string): Promise<Snapshot> {
  writeFileSync(join(local, 'f'), text)
  const made = await createSnapshot(repository, { source: { user: 'user', host: 'host', path: local }, localPath: local }, {})
  await repository.flush()
  return made.snapshot
}

async function open(from?: BackupOptions['from'], encrypt = false): Promise<OpenedOverlay> {
  opened = await openOverlays(repository, {
    sources: [`user@host:${local}`],
    repositoryId: 'test',
    spoolDirectory: join(folder, 'spool'),
    xattrs: 'refuse',
    takeOver: false,
    from,
    encrypt,
    timeoutMs: 60_000,
    maxCachedBytes: 1 << 20,
    warn: () => undefined,
  })
  return opened[0] as OpenedOverlay
}

const names = async ({ staging }: OpenedOverlay): Promise<string[]> => (await staging.list(staging.root)).map((e) => e.name)

describe('backup/ begins', () => {
  it('as the newest snapshot, empty, or as another one', async () => {
    const first = await snapshot('one')
    await snapshot('two')
    expect(await contentAt((await open()).staging, 'f')).toBe('two')
    await close()
    expect(await names(await open('empty'))).toEqual([])
    await close()
    expect(await contentAt((await open({ snapshotId: first.id })).staging, 'f')).toBe('one')
  })

  it('anew only when nothing waits', async () => {
    await snapshot('one')
    await put((await open()).staging, 'waiting', 'x')
    await close()
    await expect(open('empty')).rejects.toThrow(/1 changes|2 changes/)
    expect(await contentAt((await open()).staging, 'waiting')).toBe('x')
  })

  it('as no snapshot of another source', async () => {
    await expect(open({ snapshotId: 'f'.repeat(32) })).rejects.toThrow(/is no snapshot of/)
  })

  it('empty without calling the newest snapshot a surprise', async () => {
    await snapshot('one')
    const { staging, knownId } = await open('empty')
    await put(staging, 'mine', 'x')
    const { concurrentId, snapshot: made } = await flushNow(repository, local, staging, {}, { knownId, tags: { 'tag:staging': '1' } })
    expect(concurrentId).toBeUndefined()
    expect(made.tags).toEqual({ 'tag:staging': '1' })
  })
})

it('an encrypted spool takes the place of an empty one, and is flushed without a mount', async () => {
  await snapshot('one')
  await open()
  await close()
  const { staging, directory } = await open(undefined, true)
  await put(staging, 'hidden', 'words in the spool')
  await close()
  const report = inspectStaging(directory)
  expect(report).toMatchObject({ isEncrypted: true })
  const options = { repositoryId: 'test', rebase: false, takeOver: false, keepRubbish: false, warn: () => undefined }
  const { snapshot: made } = await flushKept(repository, report, options)
  expect((await contentOf(repository, (await treeOf(repository, rootOf(made))).get('hidden'))).toString()).toBe('words in the spool')
})
