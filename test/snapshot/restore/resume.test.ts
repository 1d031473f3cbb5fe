import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { CancelledError } from '#base/errors.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { defaultRestoreOptions, type LocalRestoreOptions, type RestoreObserver } from '#snapshot/restore/options.ts'
import { restoreTree } from '#snapshot/restore/run.ts'
import { scratchFolders } from '../../support/scratch.ts'
import { memoryRepository, rootOf, treeOf, upload } from '../memory-repository.ts'

const scratch = scratchFolders()
const fileCount = 60
let repository: DirectRepository
let root: DirectoryEntry
let names: Map<string, string>
let opened: string[]

beforeAll(async () => {
  ;({ repository } = await memoryRepository())
  const source = scratch()
  mkdirSync(join(source, 'sub'))
  for (let i = 0; i < fileCount; i++) writeFileSync(join(source, i % 2 ? `sub/f${i}` : `f${i}`), `content of ${i}`)
  symlinkSync('f0', join(source, 'link'))
  writeFileSync(join(source, 'large'), Buffer.alloc(5_000_000, 'large '))
  root = rootOf((await upload(repository, source)).snapshot)
  names = new Map([...(await treeOf(repository, root))].map(([path, e]) => [e.objectId, path]))
  const { open, readAll } = repository.objects
  const note = (id: ObjectId) => {
    if (!id.startsWith('k')) opened.push(names.get(id) ?? id)
  }
  repository.objects.open = (id) => {
    note(id)
    return open.call(repository.objects, id)
  }
  repository.objects.readAll = (id, most) => {
    note(id)
    return readAll.call(repository.objects, id, most)
  }
})

async function restore(target: string, options: Partial<LocalRestoreOptions>, observer: RestoreObserver = {}, signal?: AbortSignal) {
  opened = []
  const request = { repository, root, target, options: { ...defaultRestoreOptions, ...options }, observer }
  return restoreTree(signal ? { ...request, signal } : request)
}

describe('a restore that is resumed', () => {
  it.each(['time', 'content'] as const)('does only what an interrupted one has not done, judged by %s', async (resume) => {
    const target = join(scratch(), 't')
    const abort = new AbortController()
    const observer: RestoreObserver = { progress: (n) => n.files >= 20 && abort.abort() }
    await expect(restore(target, { parallel: 2 }, observer, abort.signal)).rejects.toThrow(CancelledError)
    const first = opened.length
    expect(first).toBeLessThan(fileCount)
    const { counters, failures } = await restore(target, { resume })
    expect(failures).toEqual([])
    expect(counters.skipped).toBeGreaterThanOrEqual(20)
    expect(counters.files + counters.skipped + counters.symlinks).toBe(fileCount + 2)
    if (resume === 'time') expect(first + opened.length).toBeLessThan(fileCount + 2 + 6)
    for (let i = 0; i < fileCount; i++) expect(readFileSync(join(target, i % 2 ? `sub/f${i}` : `f${i}`), 'utf8')).toBe(`content of ${i}`)
    expect((await restore(target, { resume })).counters).toMatchObject({ files: 0, symlinks: 0, skipped: fileCount + 2 })
  })

  it('does files again that were cut off, changed, or have another time; and sets attributes that are missing', async () => {
    const target = join(scratch(), 't')
    await restore(target, {})
    truncateSync(join(target, 'f0'), 3)
    utimesSync(join(target, 'f4'), 1, 1)
    chmodSync(join(target, 'f6'), 0o600)
    await restore(target, { resume: 'time' })
    expect(opened.filter((n) => n !== 'link').sort()).toEqual(['f0', 'f4'])
    expect(statSync(join(target, 'f6')).mode & 0o777).toBe(0o644)
    writeFileSync(join(target, 'f8'), 'CONTENT of 8')
    utimesSync(join(target, 'f10'), 1, 1)
    const { counters } = await restore(target, { resume: 'content' })
    expect(counters.files).toBe(1)
    expect(readFileSync(join(target, 'f8'), 'utf8')).toBe('content of 8')
    expect(statSync(join(target, 'f10')).mtimeMs).toBeGreaterThan(1_000_000)
  })

  it('clears away the drafts of one that was killed', async () => {
    const target = join(scratch(), 't')
    mkdirSync(join(target, 'sub'), { recursive: true })
    writeFileSync(join(target, 'f0.kura-restore-0123456789ab'), 'half')
    writeFileSync(join(target, 'sub/f1.kura-restore-0123456789ab'), 'half')
    writeFileSync(join(target, 'sub/mine.kura-restore-'), 'mine')
    await restore(target, { resume: 'time' })
    expect(existsSync(join(target, 'f0.kura-restore-0123456789ab'))).toBe(false)
    expect(existsSync(join(target, 'sub/f1.kura-restore-0123456789ab'))).toBe(false)
    expect(existsSync(join(target, 'sub/mine.kura-restore-'))).toBe(true)
  })
})
