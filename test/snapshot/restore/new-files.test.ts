import { lstatSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { batchesOf } from '#snapshot/restore/batch.ts'
import { writeNewFiles } from '#snapshot/restore/new-files.ts'
import { defaultRestoreOptions } from '#snapshot/restore/options.ts'
import { restoreTree } from '#snapshot/restore/run.ts'
import { scratchFolders } from '../../support/scratch.ts'
import { memoryRepository, rootOf, upload } from '../memory-repository.ts'

const scratch = scratchFolders()

const entry = (name: string, change: Partial<DirectoryEntry> = {}): DirectoryEntry => ({
  name,
  type: 'f',
  mode: 0o644,
  sizeBytes: 5,
  modifiedNs: 1_700_000_000_123_456_000n,
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  objectId: '',
  ...change,
})

it('makes new files with their attributes and tells which it could not make', async () => {
  const folder = scratch()
  writeFileSync(join(folder, 'there'), 'old')
  symlinkSync('there', join(folder, 'link'))
  const files = [
    { entry: entry('one', { mode: 0o4750 }), data: Buffer.from('bytes') },
    { entry: entry('there'), data: Buffer.from('new') },
    { entry: entry('link'), data: Buffer.from('new') },
    { entry: entry('empty', { mode: 0o600, modifiedNs: 1_000_000_000n }), data: Buffer.alloc(0) },
  ]
  expect(await writeNewFiles(folder, files, defaultRestoreOptions)).toEqual([true, false, false, true])
  expect(readFileSync(join(folder, 'one'), 'utf8')).toBe('bytes')
  expect(readFileSync(join(folder, 'there'), 'utf8')).toBe('old')
  const one = lstatSync(join(folder, 'one'), { bigint: true })
  expect([one.mode & 0o7777n, one.mtimeNs]).toEqual([0o4750n, 1_700_000_000_123_456_000n])
  expect(lstatSync(join(folder, 'empty'), { bigint: true }).mtimeNs).toBe(1_000_000_000n)
  expect(await writeNewFiles(join(folder, 'link'), files, defaultRestoreOptions)).toEqual([false, false, false, false])
  expect(readdirSync(folder).sort()).toEqual(['empty', 'link', 'one', 'there'])
})

it('puts short files into batches of bounded bytes and leaves the rest', () => {
  const entries = Array.from({ length: 1300 }, (_, i) => entry(`f${i}`, { sizeBytes: i < 40 ? 100_000 : 10 }))
  const long = entry('long', { sizeBytes: 1 << 20 })
  const folder = entry('folder', { type: 'd' })
  const { batches, others } = batchesOf([...entries, long, folder], ({ type }) => type === 'f')
  expect(others).toEqual([long, folder])
  expect(batches.flat()).toEqual(entries)
  for (const batch of batches) {
    expect(batch.length).toBeLessThanOrEqual(512)
    expect(batch.reduce((sum, e) => sum + e.sizeBytes, 0)).toBeLessThanOrEqual(2 << 20)
  }
})

it('restores the files of a batch by themselves where one of them is missing from the storage or something stands in the way', async () => {
  const { repository, blobs } = await memoryRepository()
  const source = scratch()
  for (let i = 0; i < 20; i++) writeFileSync(join(source, `f${i}`), `contents of ${i} ${'x'.repeat(i)}`)
  const root = rootOf((await upload(repository, source)).snapshot)
  await repository.flush()
  const target = scratch()
  writeFileSync(join(target, 'f3'), 'in the way')
  const restore = (to: string) => restoreTree({ repository, root, target: to, options: defaultRestoreOptions })
  const first = await restore(target)
  expect(first.failures).toEqual([])
  expect(first.counters).toMatchObject({ files: 20, bytes: root.summary?.totalBytes, skipped: 0 })
  for (let i = 0; i < 20; i++) expect(readFileSync(join(target, `f${i}`), 'utf8')).toBe(`contents of ${i} ${'x'.repeat(i)}`)
  for (const name of [...blobs.keys()].filter((n) => n.startsWith('p'))) blobs.delete(name)
  const second = await restore(scratch())
  expect(second.failures).toHaveLength(20)
  expect(second.counters.files).toBe(0)
})
