import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync as chown,
  closeSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { CancelledError } from '#base/errors.ts'
import { nativeAddon } from '#base/native.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { dataRuns } from '#snapshot/restore/local-file.ts'
import { defaultRestoreOptions, type LocalRestoreOptions } from '#snapshot/restore/options.ts'
import { restoreTree } from '#snapshot/restore/run.ts'
import { scratchFolders } from '../../support/scratch.ts'
import { isRoot, memoryRepository, rootOf, setTimeNs, upload } from '../memory-repository.ts'

const scratch = scratchFolders()
let repository: DirectRepository
beforeAll(async () => {
  ;({ repository } = await memoryRepository())
})

const restore = (root: DirectoryEntry, target: string, options: Partial<LocalRestoreOptions> = {}, signal?: AbortSignal) =>
  restoreTree({ repository, root, target, options: { ...defaultRestoreOptions, ...options }, ...(signal ? { signal } : {}) })

const snapshotOf = async (source: string): Promise<DirectoryEntry> => rootOf((await upload(repository, source)).snapshot)

const later = (a: bigint, b: bigint): bigint => (a > b ? a : b)

/** All that a restore has to bring back, by path. As it is restored, a folder below the first has the newest time of what is in it. */
function look(folder: string, asRestored = false): Map<string, object> {
  const found = new Map<string, object>()
  const visit = (relative: string): bigint => {
    const path = join(folder, relative)
    const s = lstatSync(path, { bigint: true })
    const names = s.isDirectory() ? readdirSync(path) : []
    const newest = names.map((name) => visit(relative === '' ? name : `${relative}/${name}`)).reduce(later, 0n)
    const timeNs = asRestored && relative !== '' && names.length > 0 ? newest : s.mtimeNs
    const kind = s.isDirectory()
      ? 'dir'
      : s.isSymbolicLink()
        ? `-> ${readlinkSync(path)}`
        : createHash('sha256').update(readFileSync(path)).digest('hex')
    // Without the addon times are exact to what a double of seconds holds.
    const time = nativeAddon() ? timeNs : timeNs / 1000n
    found.set(relative, { kind, mode: s.mode, uid: s.uid, gid: s.gid, time })
    return later(s.mtimeNs, newest)
  }
  visit('')
  return found
}

function makeSource(): string {
  const source = scratch()
  mkdirSync(join(source, 'sub/read-only'), { recursive: true })
  writeFileSync(join(source, 'empty'), '')
  writeFileSync(join(source, 'setuid'), '#!')
  writeFileSync(join(source, 'sub/read-only/file'), 'read only')
  writeFileSync(join(source, 'large'), Buffer.alloc(3_000_001, 'large'))
  writeFileSync(join(source, 'exact'), Buffer.alloc(1 << 20, 'x'))
  symlinkSync('no/where', join(source, 'link'))
  symlinkSync('/', join(source, 'sub/absolute'))
  chmodSync(join(source, 'setuid'), 0o6755)
  chmodSync(join(source, 'sub'), 0o1777)
  chmodSync(join(source, 'sub/read-only/file'), 0o400)
  if (isRoot) for (const [i, name] of ['empty', 'sub'].entries()) nodeChown(join(source, name), 100 + i, 200 + i)
  const names = ['sub/read-only/file', 'sub/read-only', 'sub/absolute', 'sub', 'link', 'large', 'exact', 'setuid', 'empty', '.']
  for (const [i, name] of names.entries())
    setTimeNs(Buffer.from(join(source, name)), 1_600_000_000_123_456_000n + BigInt(i) * (nativeAddon() ? 1n : 1000n))
  chmodSync(join(source, 'sub/read-only'), 0o555)
  return source
}

function nodeChown(path: string, uid: number, gid: number): void {
  const mode = lstatSync(path).mode & 0o7777
  chown(path, uid, gid)
  chmodSync(path, mode)
}

describe('a restore', () => {
  it('brings back contents, modes with setuid and sticky bits, owners, and times of files and links; folders have the newest time in them', async () => {
    const source = makeSource()
    const target = join(scratch(), 'made/on/the/way')
    const { counters, failures } = await restore(await snapshotOf(source), target)
    expect(failures).toEqual([])
    expect(look(target)).toEqual(look(source, true))
    expect(look(target).get('sub')).not.toEqual(look(source).get('sub'))
    expect(counters).toMatchObject({
      files: 5,
      directories: 3,
      symlinks: 2,
      enqueuedFiles: 5,
      bytes: 3_000_001 + (1 << 20) + 2 + 9,
      skipped: 0,
    })
  })

  it('over an earlier one changes nothing, with every way of writing', async () => {
    const source = makeSource()
    const root = await snapshotOf(source)
    const target = scratch()
    for (const options of [{}, {}, { writeFilesAtomically: true }, { writeSparseFiles: true }, { flushFiles: true, parallel: 1 }]) {
      const { failures } = await restore(root, target, options)
      expect(failures, JSON.stringify(options)).toEqual([])
      expect(look(target), JSON.stringify(options)).toEqual(look(source, true))
    }
  })

  it('gives folders their own times when it is told so', async () => {
    const source = makeSource()
    const target = scratch()
    const { failures } = await restore(await snapshotOf(source), target, { ownFolderTimes: true })
    expect(failures).toEqual([])
    expect(look(target)).toEqual(look(source))
  })

  it('of a single file goes to the target itself', async () => {
    const file = join(scratch(), 'file')
    writeFileSync(file, 'alone')
    const target = join(scratch(), 'new/name')
    const { failures } = await restore(await snapshotOf(file), target)
    expect(failures).toEqual([])
    expect(readFileSync(target, 'utf8')).toBe('alone')
  })

  it('leaves attributes alone that it is told to skip, on new and on replaced entries', async () => {
    const source = scratch()
    writeFileSync(join(source, 'file'), 'new')
    chmodSync(join(source, 'file'), 0o751)
    setTimeNs(Buffer.from(join(source, 'file')), 1_000_000_000n)
    if (isRoot) nodeChown(join(source, 'file'), 5, 6)
    const root = await snapshotOf(source)
    const skip = { skipOwners: true, skipPermissions: true, skipTimes: true }
    for (const writeFilesAtomically of [false, true]) {
      const target = scratch()
      writeFileSync(join(target, 'file'), 'old')
      chmodSync(join(target, 'file'), 0o604)
      if (isRoot) nodeChown(join(target, 'file'), 7, 8)
      const before = Date.now()
      await restore(root, target, { ...skip, writeFilesAtomically })
      const stats = lstatSync(join(target, 'file'))
      expect(readFileSync(join(target, 'file'), 'utf8')).toBe('new')
      expect(stats.mode & 0o7777).toBe(0o604)
      if (isRoot) expect([stats.uid, stats.gid]).toEqual([7, 8])
      expect(stats.mtimeMs).toBeGreaterThan(before - 60_000)
    }
    const fresh = scratch()
    await restore(root, fresh, skip)
    expect(lstatSync(join(fresh, 'file')).mode & 0o7777).toBe(0o600)
    expect(lstatSync(join(fresh, 'file')).uid).toBe(process.getuid?.())
  })

  it('does not give a file the mode of the link that it replaces', async () => {
    const source = scratch()
    writeFileSync(join(source, 'file'), 'new')
    const root = await snapshotOf(source)
    const target = scratch()
    symlinkSync('elsewhere', join(target, 'file'))
    await restore(root, target, { writeFilesAtomically: true, skipPermissions: true })
    expect(lstatSync(join(target, 'file')).mode & 0o7777).toBe(0o600)
  })

  it('leaves holes where there are blocks of zeros when told to, and only then', async () => {
    const source = scratch()
    const fd = openSync(join(source, 'sparse'), 'w')
    ftruncateSync(fd, 9_000_000)
    writeSync(fd, 'data', 5_000_001)
    closeSync(fd)
    writeFileSync(join(source, 'zeros'), Buffer.alloc(100_000))
    writeFileSync(join(source, 'dense'), Buffer.alloc(200_000, 'd'))
    const root = await snapshotOf(source)
    const allocated = (path: string) => {
      const file = openSync(path, 'r')
      fsyncSync(file)
      closeSync(file)
      return lstatSync(path).blocks * 512
    }
    const [sparse, full] = [scratch(), scratch()]
    expect((await restore(root, sparse, { writeSparseFiles: true })).failures).toEqual([])
    expect((await restore(root, full)).failures).toEqual([])
    for (const name of ['sparse', 'zeros', 'dense'])
      for (const target of [sparse, full])
        expect(readFileSync(join(target, name)).equals(readFileSync(join(source, name))), name).toBe(true)
    const couldBeSparse = allocated(join(source, 'sparse')) < 1 << 20
    if (couldBeSparse) {
      expect(allocated(join(sparse, 'sparse'))).toBeLessThan(1 << 20)
      expect(allocated(join(sparse, 'zeros'))).toBe(0)
      expect(allocated(join(full, 'sparse'))).toBeGreaterThanOrEqual(9_000_000)
    }
  })

  it('takes as data every block that is not all zeros', () => {
    const piece = Buffer.alloc(10)
    expect(dataRuns(piece, 4)).toEqual([])
    piece[3] = 1
    piece[9] = 1
    expect(dataRuns(piece, 4)).toEqual([
      [0, 4],
      [8, 10],
    ])
    piece[4] = 1
    expect(dataRuns(piece, 4)).toEqual([[0, 10]])
    expect(dataRuns(Buffer.alloc(0), 4)).toEqual([])
  })

  it('ends with an error when it is cancelled, and leaves no part of a file', async () => {
    const source = scratch()
    for (let i = 0; i < 20; i++) writeFileSync(join(source, `${i}`), Buffer.alloc(4 << 20, i + 1))
    const root = await snapshotOf(source)
    await expect(restore(root, join(scratch(), 'before'), {}, AbortSignal.abort())).rejects.toThrow(CancelledError)
    const controller = new AbortController()
    const target = scratch()
    const observer = { progress: (c: { bytes: number }) => c.bytes > 10 << 20 && controller.abort() }
    const running = restoreTree({ repository, root, target, options: defaultRestoreOptions, observer, signal: controller.signal })
    await expect(running).rejects.toThrow(CancelledError)
    const left = readdirSync(target)
    expect(left.length).toBeLessThan(20)
    for (const name of left) expect(lstatSync(join(target, name)).size, name).toBe(4 << 20)
  })
})

describe('what stands in the target', () => {
  async function setUp() {
    const source = scratch()
    mkdirSync(join(source, 'dir'))
    writeFileSync(join(source, 'dir/inner'), 'inner')
    writeFileSync(join(source, 'file'), 'file')
    symlinkSync('file', join(source, 'link'))
    const target = scratch()
    const outside = scratch()
    writeFileSync(join(outside, 'precious'), 'precious')
    return { root: await snapshotOf(source), target, outside }
  }
  const paths = (failures: readonly { path: string }[]) => failures.map((f) => f.path).sort()

  it('is never written through when it is a link, also a link to a folder', async () => {
    const { root, target, outside } = await setUp()
    symlinkSync(outside, join(target, 'dir'))
    symlinkSync(join(outside, 'precious'), join(target, 'file'))
    symlinkSync(outside, join(target, 'link'))
    const { failures } = await restore(root, target)
    expect(paths(failures)).toEqual(['dir'])
    expect(readdirSync(outside)).toEqual(['precious'])
    expect(readFileSync(join(outside, 'precious'), 'utf8')).toBe('precious')
    expect(lstatSync(join(target, 'file')).isFile()).toBe(true)
    expect(readlinkSync(join(target, 'link'))).toBe('file')
    const again = await restore(root, target, { deleteExtra: true })
    expect(again.failures).toEqual([])
    expect(again.counters.deletedSymlinks).toBe(1)
    expect(readFileSync(join(target, 'dir/inner'), 'utf8')).toBe('inner')
    expect(readdirSync(outside)).toEqual(['precious'])
  })

  it('stays when it is of another kind, unless extras are deleted', async () => {
    const { root, target } = await setUp()
    writeFileSync(join(target, 'dir'), '')
    mkdirSync(join(target, 'file/x'), { recursive: true })
    mkdirSync(join(target, 'link'))
    expect(paths((await restore(root, target)).failures)).toEqual(['dir', 'file', 'link'])
    const { failures, counters } = await restore(root, target, { deleteExtra: true })
    // A link and a file are both no directory: the one that is wrong is replaced or refused as such.
    expect(failures).toEqual([])
    expect(counters).toMatchObject({ deletedFiles: 1, deletedDirectories: 2 })
    expect(readFileSync(join(target, 'file'), 'utf8')).toBe('file')
  })

  it('is kept when overwriting is off', async () => {
    const { root, target } = await setUp()
    mkdirSync(join(target, 'dir'))
    writeFileSync(join(target, 'dir/mine'), 'mine')
    writeFileSync(join(target, 'file'), 'mine')
    symlinkSync('mine', join(target, 'link'))
    const files = await restore(root, target, { overwriteFiles: false, overwriteSymlinks: false })
    expect(paths(files.failures)).toEqual(['file', 'link'])
    expect(readFileSync(join(target, 'file'), 'utf8')).toBe('mine')
    expect(readlinkSync(join(target, 'link'))).toBe('mine')
    expect(readdirSync(join(target, 'dir')).sort()).toEqual(['inner', 'mine'])
    await expect(restore(root, target, { overwriteDirectories: false })).rejects.toThrow('not empty')
    const atomic = await restore(root, target, { overwriteFiles: false, writeFilesAtomically: true })
    expect(paths(atomic.failures)).toEqual(['dir/inner', 'file'])
  })

  it('is skipped when it looks the same and existing files are to be skipped', async () => {
    const { root, target } = await setUp()
    await restore(root, target)
    writeFileSync(join(target, 'file'), 'FILE')
    setTimeNs(Buffer.from(join(target, 'file')), lstatSync(join(target, 'dir/inner'), { bigint: true }).mtimeNs + 1_500_000_000n)
    const { counters } = await restore(root, target, { skipExisting: true })
    expect(counters).toMatchObject({ skipped: 3, skippedBytes: 4 + 5 + 4, files: 0, symlinks: 0 })
    expect(readFileSync(join(target, 'file'), 'utf8')).toBe('FILE')
    setTimeNs(Buffer.from(join(target, 'file')), lstatSync(join(target, 'dir/inner'), { bigint: true }).mtimeNs + 2_500_000_000n)
    await restore(root, target, { skipExisting: true })
    expect(readFileSync(join(target, 'file'), 'utf8')).toBe('file')
  })

  it('goes when extras are deleted and the snapshot does not have it, whatever its name', async () => {
    const { root, target, outside } = await setUp()
    mkdirSync(join(target, 'dir/old/deep'), { recursive: true })
    writeFileSync(join(target, 'dir/old/deep/x'), '')
    writeFileSync(join(target, 'extra'), '')
    writeFileSync(Buffer.concat([Buffer.from(`${target}/`), Buffer.from([0xff])]), '')
    symlinkSync(outside, join(target, 'out'))
    const { counters, failures } = await restore(root, target, { deleteExtra: true })
    expect(failures).toEqual([])
    expect(counters).toMatchObject({ deletedFiles: 2, deletedDirectories: 1, deletedSymlinks: 1 })
    expect(readdirSync(target).sort()).toEqual(['dir', 'file', 'link'])
    expect(readdirSync(join(target, 'dir'))).toEqual(['inner'])
    expect(readFileSync(join(outside, 'precious'), 'utf8')).toBe('precious')
  })

  it('keeps its other hard links when a file is replaced', async () => {
    const { root, target, outside } = await setUp()
    linkSync(join(outside, 'precious'), join(target, 'file'))
    for (const writeFilesAtomically of [false, true]) await restore(root, target, { writeFilesAtomically })
    expect(readFileSync(join(outside, 'precious'), 'utf8')).toBe('precious')
    expect(readFileSync(join(target, 'file'), 'utf8')).toBe('file')
  })

  it('may be a link at the end of the target, which is followed, or a dangling one, which is not', async () => {
    const { root, target, outside } = await setUp()
    symlinkSync(target, join(outside, 'way'))
    expect((await restore(root, join(outside, 'way'))).failures).toEqual([])
    expect(readFileSync(join(target, 'file'), 'utf8')).toBe('file')
    symlinkSync('nowhere', join(outside, 'dangling'))
    await expect(restore(root, join(outside, 'dangling'))).rejects.toThrow('symbolic link')
    writeFileSync(join(outside, 'plain'), '')
    await expect(restore(root, join(outside, 'plain'))).rejects.toThrow('not a directory')
  })
})
