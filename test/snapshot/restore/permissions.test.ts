import { chownSync, existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { defaultRestoreOptions, type LocalRestoreOptions } from '#snapshot/restore/options.ts'
import { restoreTree } from '#snapshot/restore/run.ts'
import { scratchFolders } from '../../support/scratch.ts'
import { asOrdinaryUser, isRoot, memoryRepository, ordinaryOwner, rootOf, upload, whyNoOrdinaryUser } from '../memory-repository.ts'

const scratch = scratchFolders()
let repository: DirectRepository
let root: DirectoryEntry
beforeAll(async () => {
  ;({ repository } = await memoryRepository())
  const source = scratch()
  mkdirSync(join(source, 'sub'))
  writeFileSync(join(source, 'sub/file'), 'text', { mode: 0o640 })
  root = rootOf((await upload(repository, source)).snapshot)
})

const restore = (target: string, options: Partial<LocalRestoreOptions> = {}, from = root) =>
  restoreTree({ repository, root: from, target, options: { ...defaultRestoreOptions, ...options } })

const why = whyNoOrdinaryUser ?? (isRoot ? undefined : 'only root can make files of somebody else')

describe.skipIf(why !== undefined)(`an ordinary user who restores files of root ${why ? `(skipped: ${why})` : ''}`, () => {
  const target = (): string => {
    const folder = scratch()
    chownSync(folder, ordinaryOwner, ordinaryOwner)
    return join(folder, 't')
  }

  it('gets them with mode and time, as files of theirs', async () => {
    const path = target()
    const { failures, counters } = await asOrdinaryUser(() => restore(path))
    expect(failures).toEqual([])
    expect(counters).toMatchObject({ files: 1, directories: 2 })
    expect(lstatSync(join(path, 'sub/file'))).toMatchObject({ uid: ordinaryOwner, mode: 0o100640 })
  })

  it('is told of every owner that cannot be set, when that is not to be ignored', async () => {
    const { failures } = await asOrdinaryUser(() => restore(target(), { ignorePermissionErrors: false }))
    expect(failures.map((f) => f.path).sort()).toEqual(['.', 'sub', 'sub/file'])
    expect(failures.every((f) => (f.error as NodeJS.ErrnoException).code === 'EPERM')).toBe(true)
    const { failures: none } = await asOrdinaryUser(() => restore(target(), { ignorePermissionErrors: false, skipOwners: true }))
    expect(none).toEqual([])
  })
})

describe('a file that cannot be restored', () => {
  const lost = (): DirectoryEntry => ({
    ...root,
    type: 'f',
    name: 'lost',
    objectId: '00112233445566778899aabbccddeeff' as ObjectId,
    sizeBytes: 4,
  })

  it.each([false, true])('leaves the old one as it is, and nothing else (written atomically: %s)', async (writeFilesAtomically) => {
    const folder = scratch()
    const path = join(folder, 'file')
    writeFileSync(path, 'old')
    const { failures } = await restore(path, { writeFilesAtomically }, lost())
    expect(failures).toHaveLength(1)
    expect(readFileSync(path, 'utf8')).toBe('old')
    const { failures: again } = await restore(join(folder, 'new'), { writeFilesAtomically }, lost())
    expect(again).toHaveLength(1)
    expect(existsSync(join(folder, 'new'))).toBe(false)
  })
})

it.each([1, 3])('no more than %i files are written at once', async (parallel) => {
  const source = scratch()
  for (let i = 0; i < 30; i++) writeFileSync(join(source, `f${i}`), `content of ${i}`)
  const many = rootOf((await upload(repository, source)).snapshot)
  const readAll = repository.objects.readAll
  let now = 0
  let most = 0
  repository.objects.readAll = async (id, limit) => {
    const isFile = !id.startsWith('k')
    if (isFile) most = Math.max(most, ++now)
    try {
      return await readAll.call(repository.objects, id, limit)
    } finally {
      if (isFile) now--
    }
  }
  await restore(join(scratch(), 't'), { parallel }, many)
  repository.objects.readAll = readAll
  expect(most).toBeLessThanOrEqual(parallel)
  expect(most).toBeGreaterThan(0)
})
