import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { type ArchiveMode, restoreArchive } from '#snapshot/restore/archive.ts'
import { scratchFolders } from '../../support/scratch.ts'
import { memoryRepository, rootOf, upload } from '../memory-repository.ts'

const scratch = scratchFolders()
const large = Buffer.alloc(2_500_000, 'abcdefg')
let repository: DirectRepository
let root: DirectoryEntry

beforeAll(async () => {
  const source = scratch()
  mkdirSync(join(source, 'sub/empty'), { recursive: true })
  writeFileSync(join(source, 'sub/large'), large)
  writeFileSync(join(source, 'zero'), '', { mode: 0o640 })
  writeFileSync(join(source, 'n'.repeat(200)), 'long')
  symlinkSync('sub/large', join(source, 'link'))
  repository = (await memoryRepository()).repository
  root = rootOf((await upload(repository, source)).snapshot)
  await repository.flush()
})

async function archived(mode: ArchiveMode): Promise<string> {
  const target = join(scratch(), 'archive')
  const { failures, counters } = await restoreArchive({ repository, root, target, mode })
  expect(failures).toEqual([])
  expect(counters).toMatchObject({ files: 3, directories: 3, bytes: 2_500_004 })
  return target
}

describe('restoreArchive', () => {
  test.each(['tar', 'tgz'] as const)('%s unpacks to the tree', async (mode) => {
    const place = scratch()
    execFileSync('tar', [mode === 'tar' ? '-xf' : '-xzf', await archived(mode), '-C', place])
    expect(readFileSync(join(place, 'link')).equals(large)).toBe(true)
    expect(readFileSync(join(place, 'n'.repeat(200)), 'utf8')).toBe('long')
    expect(execFileSync('find', ['.', '-printf', '%P %y %m\n'], { cwd: place, encoding: 'utf8' })).toMatch(/^zero f 640$/m)
  })

  test.each(['zip', 'zip-nocompress'] as const)('%s holds the files', async (mode) => {
    const code =
      'import sys,zipfile,json;z=zipfile.ZipFile(sys.argv[1]);print(json.dumps([z.testzip(),sorted(z.namelist()),z.getinfo("sub/large").compress_size]))'
    const [bad, names, size] = JSON.parse(execFileSync('python3', ['-c', code, await archived(mode)], { encoding: 'utf8' }))
    expect(bad).toBeNull()
    expect(names).toEqual(['n'.repeat(200), 'sub/large', 'zero'])
    expect(size === large.length).toBe(mode === 'zip-nocompress')
  })

  test('a target that is a folder is refused and left alone', async () => {
    const target = scratch()
    writeFileSync(join(target, 'mine'), 'mine')
    await expect(restoreArchive({ repository, root, target, mode: 'tar' })).rejects.toThrow('EISDIR')
    expect(readFileSync(join(target, 'mine'), 'utf8')).toBe('mine')
  })
})
