import {
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { defaultRestoreOptions, type LocalRestoreOptions } from '#snapshot/restore/options.ts'
import { openPlaceholder } from '#snapshot/restore/placeholder.ts'
import { restoreTree } from '#snapshot/restore/run.ts'
import { scratchFolders } from '../../support/scratch.ts'
import { memoryRepository, rootOf, treeOf, upload } from '../memory-repository.ts'

const scratch = scratchFolders()
let repository: DirectRepository
beforeAll(async () => {
  ;({ repository } = await memoryRepository())
})

const restore = (root: DirectoryEntry, target: string, options: Partial<LocalRestoreOptions> = {}) =>
  restoreTree({ repository, root, target, options: { ...defaultRestoreOptions, ...options } })

async function expand(path: string, options: Partial<LocalRestoreOptions> = {}) {
  const { entry, target } = await openPlaceholder(repository, path)
  return restore(entry, target, { shallowDepth: 0, ...options })
}

async function snapshotOf(path: string) {
  const { snapshot } = await upload(repository, path)
  return rootOf(snapshot)
}

async function sample(): Promise<DirectoryEntry> {
  const source = scratch()
  mkdirSync(join(source, 'sub/deep'), { recursive: true })
  writeFileSync(join(source, 'small'), '1')
  writeFileSync(join(source, 'large'), 'x'.repeat(2000))
  writeFileSync(join(source, 'sub/deep/leaf'), 'leaf')
  writeFileSync(join(source, 'sub/file'), 'file')
  symlinkSync('small', join(source, 'link'))
  // Whole seconds: without the addon times are not restored to the nanosecond.
  lutimesSync(join(source, 'link'), 1_000_000, 1_000_000)
  for (const path of ['small', 'large', 'sub/deep/leaf', 'sub/file', 'sub/deep', 'sub', ''])
    utimesSync(join(source, path), 1_000_000, 1_000_000)
  return snapshotOf(source)
}

const list = (folder: string): string[] => (readdirSync(folder, { recursive: true }) as string[]).sort()

describe('a shallow restore', () => {
  it('puts placeholders for files and folders below the given depth; links are real', async () => {
    const root = await sample()
    const target = join(scratch(), 't')
    const { counters, failures } = await restore(root, target, { shallowDepth: 0 })
    expect(failures).toEqual([])
    expect(counters).toMatchObject({ files: 2, directories: 2, symlinks: 1, bytes: 2001 })
    expect(list(target)).toEqual(['large.kopia-entry', 'link', 'small.kopia-entry', 'sub.kopia-entry', 'sub.kopia-entry/.kopia-entry'])
    const other = join(scratch(), 'u')
    await restore(root, other, { shallowDepth: 1 })
    expect(list(other)).toEqual(
      ['large', 'link', 'small', 'sub', 'sub/deep.kopia-entry', 'sub/deep.kopia-entry/.kopia-entry', 'sub/file.kopia-entry'].sort(),
    )
  })

  it('writes the entry as it is stored, with its time, and without the right to write', async () => {
    const root = await sample()
    const target = join(scratch(), 't')
    await restore(root, target, { shallowDepth: 0 })
    const large = (await treeOf(repository, root)).get('large')
    const file = join(target, 'large.kopia-entry')
    const text = readFileSync(file, 'utf8')
    expect(text.endsWith('}\n')).toBe(true)
    expect(JSON.parse(text)).toMatchObject({ name: 'large', type: 'f', mode: '0644', size: 2000, obj: large?.objectId })
    expect(lstatSync(file).mode & 0o777).toBe(0o444)
    expect(Math.floor(lstatSync(file).mtimeMs)).toBe(Number((large?.modifiedNs ?? 0n) / 1_000_000n))
    const sub = (await treeOf(repository, root)).get('sub')
    const subFile = join(target, 'sub.kopia-entry/.kopia-entry')
    // As listings show it: the size of all that is in the folder, and the newest time.
    expect(JSON.parse(readFileSync(subFile, 'utf8'))).toMatchObject({
      name: 'sub',
      type: 'd',
      size: sub?.summary?.totalBytes,
      obj: sub?.objectId,
    })
    expect(Math.floor(lstatSync(subFile).mtimeMs)).toBe(Number((sub?.summary?.maxTimeNs ?? 0n) / 1_000_000n))
    expect(lstatSync(join(target, 'sub.kopia-entry')).mode & 0o777).toBe(0o700)
    expect(lstatSync(join(target, 'sub.kopia-entry/.kopia-entry')).mode & 0o777).toBe(0o555)
  })

  it('restores files below the least size in full', async () => {
    const target = join(scratch(), 't')
    await restore(await sample(), target, { shallowDepth: 0, shallowMinBytes: 1000 })
    expect(readFileSync(join(target, 'small'), 'utf8')).toBe('1')
    expect(existsSync(join(target, 'large.kopia-entry'))).toBe(true)
  })

  it('restores a folder in full whose name leaves no room, and fails with such a file', async () => {
    const source = scratch()
    mkdirSync(join(source, 'd'.repeat(250)))
    writeFileSync(join(source, 'f'.repeat(250)), '')
    const target = join(scratch(), 't')
    const { failures } = await restore(await snapshotOf(source), target, { shallowDepth: 0 })
    expect(failures.map((f) => f.path)).toEqual(['f'.repeat(250)])
    expect(list(target)).toEqual(['d'.repeat(250)])
  })

  it('touches nothing real', async () => {
    const target = scratch()
    writeFileSync(join(target, 'small'), 'mine')
    mkdirSync(join(target, 'sub'))
    const { failures } = await restore(await sample(), target, { shallowDepth: 0 })
    expect(failures.map((f) => f.path).sort()).toEqual(['small', 'sub'])
    expect(readFileSync(join(target, 'small'), 'utf8')).toBe('mine')
  })

  it('can be done again', async () => {
    const root = await sample()
    const target = join(scratch(), 't')
    await restore(root, target, { shallowDepth: 0 })
    expect((await restore(root, target, { shallowDepth: 0 })).failures).toEqual([])
    expect((await restore(root, target)).failures).toEqual([])
    expect(list(target).filter((n) => n.includes('kopia-entry'))).toEqual([])
  })

  it('does not follow a link that stands where a placeholder is to be', async () => {
    const target = scratch()
    const outside = scratch()
    symlinkSync(outside, join(target, 'sub.kopia-entry'))
    symlinkSync(join(outside, 'made'), join(target, 'small.kopia-entry'))
    const { failures } = await restore(await sample(), target, { shallowDepth: 0 })
    expect(failures.map((f) => f.path)).toEqual(['sub'])
    expect(readdirSync(outside)).toEqual([])
    expect(lstatSync(join(target, 'small.kopia-entry')).isFile()).toBe(true)
  })
})

describe('expanding a placeholder', () => {
  it('brings the file, or one more level of the folder, and takes the placeholder away', async () => {
    const target = join(scratch(), 't')
    await restore(await sample(), target, { shallowDepth: 0 })
    await expand(join(target, 'small.kopia-entry'))
    expect(readFileSync(join(target, 'small'), 'utf8')).toBe('1')
    await expand(join(target, 'sub.kopia-entry'))
    expect(list(target)).toEqual(
      [
        'large.kopia-entry',
        'link',
        'small',
        'sub',
        'sub/deep.kopia-entry',
        'sub/deep.kopia-entry/.kopia-entry',
        'sub/file.kopia-entry',
      ].sort(),
    )
    await expand(join(target, 'sub/deep.kopia-entry/.kopia-entry'), { shallowDepth: 9 })
    expect(readFileSync(join(target, 'sub/deep/leaf'), 'utf8')).toBe('leaf')
    expect(existsSync(join(target, 'sub/deep.kopia-entry'))).toBe(false)
  })

  it('works after it was moved and renamed', async () => {
    const target = join(scratch(), 't')
    await restore(await sample(), target, { shallowDepth: 0 })
    renameSync(join(target, 'sub.kopia-entry'), join(target, 'other.kopia-entry'))
    await expand(join(target, 'other.kopia-entry'), { shallowDepth: 9 })
    expect(readFileSync(join(target, 'other/deep/leaf'), 'utf8')).toBe('leaf')
  })

  it('is refused when the real entry is there, too, or the placeholder is no good', async () => {
    const target = join(scratch(), 't')
    await restore(await sample(), target, { shallowDepth: 0 })
    writeFileSync(join(target, 'small'), 'mine')
    await expect(expand(join(target, 'small.kopia-entry'))).rejects.toThrow('is there beside its placeholder')
    writeFileSync(join(target, 'bad.kopia-entry'), '{"name":')
    await expect(expand(join(target, 'bad.kopia-entry'))).rejects.toThrow('does not hold the JSON')
    writeFileSync(join(target, 'lost.kopia-entry'), '{"name":"lost","type":"f","obj":"00112233445566778899aabbccddeeff"}')
    await expect(expand(join(target, 'lost.kopia-entry'))).rejects.toThrow('which this repository does not have')
    await expect(expand(join(target, 'none.kopia-entry'))).rejects.toThrow('no such file')
  })
})

it('a snapshot of a shallow tree is the snapshot that it came from', async () => {
  const root = await sample()
  const target = join(scratch(), 't')
  await restore(root, target, { shallowDepth: 1, ownFolderTimes: true })
  const again = await snapshotOf(target)
  expect(again.objectId).toBe(root.objectId)
  rmSync(join(target, 'sub/file.kopia-entry'))
  expect([...(await treeOf(repository, await snapshotOf(target))).keys()].sort()).toEqual(
    ['', 'large', 'link', 'small', 'sub', 'sub/deep', 'sub/deep/leaf'].sort(),
  )
})
