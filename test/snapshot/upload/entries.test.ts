import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, linkSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { nativeAddon } from '#base/native.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { encodeDirectory } from '#snapshot/model/directory-json.ts'
import { encodeEntry } from '#snapshot/model/entry-json.ts'
import { describeLosses } from '#snapshot/upload/losses.ts'
import { scratchFolders } from '../../support/scratch.ts'
import { contentOf, isRoot, memoryRepository, rootOf, setTimeNs, treeOf, upload, Watcher } from '../memory-repository.ts'

const scratch = scratchFolders()
let repository: DirectRepository
beforeAll(async () => {
  ;({ repository } = await memoryRepository())
})

async function uploaded(source: string, choices: Parameters<typeof upload>[2] = {}) {
  const result = await upload(repository, source, choices)
  return { ...result, tree: await treeOf(repository, rootOf(result.snapshot)) }
}

describe('an upload', () => {
  it('keeps what lstat says of every entry, to the nanosecond', async () => {
    const source = scratch()
    writeFileSync(join(source, 'file'), 'hello')
    chmodSync(join(source, 'file'), 0o4751)
    mkdirSync(join(source, 'dir'))
    chmodSync(join(source, 'dir'), 0o3770)
    symlinkSync('nowhere/at all', join(source, 'link'))
    for (const [i, name] of ['file', 'dir', 'link', '.'].entries())
      setTimeNs(Buffer.from(join(source, name)), 1_600_000_000_123_456_789n + BigInt(i))
    const { tree, snapshot } = await uploaded(source)
    for (const name of ['file', 'dir', 'link']) {
      const stats = lstatSync(join(source, name), { bigint: true })
      expect(tree.get(name), name).toMatchObject({
        mode: Number(stats.mode & 0o7777n),
        modifiedNs: stats.mtimeNs,
        uid: Number(stats.uid),
        gid: Number(stats.gid),
        sizeBytes: name === 'dir' ? 0 : Number(stats.size),
      })
    }
    expect([tree.get('file')?.type, tree.get('dir')?.type, tree.get('link')?.type]).toEqual(['f', 'd', 's'])
    expect((await contentOf(repository, tree.get('link'))).toString()).toBe('nowhere/at all')
    expect(tree.get('')).toMatchObject({ name: source.split('/').at(-1), type: 'd', modifiedNs: 1_600_000_000_123_456_792n })
    expect(rootOf(snapshot).summary).toMatchObject({ totalBytes: 5, fileCount: 1, symlinkCount: 1, directoryCount: 2 })
    expect(snapshot.stats).toMatchObject({ totalBytes: 5, fileCount: 1, nonCachedFileCount: 1, cachedFileCount: 0, directoryCount: 2 })
  })

  it('gives an empty folder its own time, also one before 1970, and others the latest below them but never one before 1970', async () => {
    const source = scratch()
    mkdirSync(join(source, 'old'))
    mkdirSync(join(source, 'new'))
    writeFileSync(join(source, 'new/file'), '')
    setTimeNs(Buffer.from(join(source, 'new/file')), -5n)
    setTimeNs(Buffer.from(join(source, 'old')), -7n)
    setTimeNs(Buffer.from(join(source, 'new')), -9n)
    const { tree, snapshot } = await uploaded(source)
    expect(tree.get('old')?.summary?.maxTimeNs).toBe(-7n)
    expect(tree.get('new')?.summary?.maxTimeNs).toBe(0n)
    expect(rootOf(snapshot).summary?.maxTimeNs).toBe(0n)
  })

  it('writes the directory object that the specification fixes', async () => {
    const source = join(scratch(), 'root')
    mkdirSync(source)
    const { tree } = await uploaded(source)
    const root = tree.get('')
    const bytes = await repository.objects.readAll(root?.objectId as never)
    expect(bytes.toString()).toMatch(/^{"stream":"kopia:directory","entries":null,"summary":{"size":0,"files":0,"symlinks":0,"dirs":1,/)
    expect(bytes.toString()).toMatch(/"numFailed":0}}\n$/)
    expect(root?.objectId).toMatch(/^k/)
  })

  it('takes a single file as its root', async () => {
    const file = join(scratch(), 'only')
    writeFileSync(file, 'alone')
    setTimeNs(Buffer.from(file), -3n)
    const { snapshot } = await uploaded(file)
    const root = rootOf(snapshot)
    expect(root).toMatchObject({ name: 'only', type: 'f', sizeBytes: 5, modifiedNs: -3n })
    expect(root.summary).toMatchObject({ totalBytes: 5, fileCount: 1, directoryCount: 0, symlinkCount: 0, maxTimeNs: -3n })
    expect((await contentOf(repository, root)).toString()).toBe('alone')
  })

  it('refuses a root that is neither a folder nor a file, or is not there', async () => {
    const folder = scratch()
    symlinkSync('x', join(folder, 'link'))
    await expect(upload(repository, join(folder, 'link'))).rejects.toThrow('neither a folder nor a regular file')
    await expect(upload(repository, join(folder, 'missing'))).rejects.toThrow('no such file or directory')
    await expect(upload(repository, '/dev/null')).rejects.toThrow('neither a folder nor a regular file')
  })

  it('leaves out pipes, devices and sockets, and says how many', async () => {
    const source = scratch()
    execFileSync('mkfifo', [join(source, 'pipe')])
    const device = isRoot && spawnSync('mknod', [join(source, 'device'), 'c', '1', '3']).status === 0
    const { tree, snapshot, losses } = await uploaded(source)
    expect([...tree.keys()]).toEqual([''])
    expect(rootOf(snapshot).summary).toMatchObject({ fatalErrorCount: 0, ignoredErrorCount: 0 })
    expect(losses.specialFiles?.count).toBe(device ? 2 : 1)
    const strict = await uploaded(source, { policy: { errorHandling: { ignoreUnknownTypes: false } } })
    expect(rootOf(strict.snapshot).summary?.fatalErrorCount).toBe(device ? 2 : 1)
    expect(rootOf(strict.snapshot).summary?.errors[0]?.error).toBe('unknown or unsupported entry type')
  })

  it('stores names that are not UTF-8 with replacement characters, and says so', async () => {
    const source = scratch()
    const raw = Buffer.concat([Buffer.from(`${source}/caf`), Buffer.from([0xe9])])
    mkdirSync(raw)
    writeFileSync(Buffer.concat([raw, Buffer.from('/in')]), 'inside')
    writeFileSync(Buffer.concat([Buffer.from(`${source}/`), Buffer.from([0xff, 0x61])]), 'file')
    const first = await uploaded(source)
    expect([...first.tree.keys()].sort()).toEqual(['', 'caf\ufffd', 'caf\ufffd/in', '\ufffda'].sort())
    expect((await contentOf(repository, first.tree.get('caf\ufffd/in'))).toString()).toBe('inside')
    expect(first.losses.invalidNames).toEqual({ count: 2, examples: expect.arrayContaining(['caf\ufffd', '\ufffda']) })
    const watcher = new Watcher()
    await upload(repository, source, { previous: [first.snapshot], observer: watcher })
    expect(watcher.reused).toEqual([])
  })

  it('counts hard links, extended attributes and access control lists that it cannot keep', async () => {
    const source = scratch()
    writeFileSync(join(source, 'one'), 'linked')
    linkSync(join(source, 'one'), join(source, 'two'))
    const script = 'import os,sys; os.setxattr(sys.argv[1], "user.note", b"x")'
    const withAttribute = nativeAddon() && spawnSync('python3', ['-c', script, join(source, 'one')]).status === 0
    const { losses, tree } = await uploaded(source)
    expect(losses.hardLinks?.count).toBe(2)
    expect((await contentOf(repository, tree.get('two'))).toString()).toBe('linked')
    // Both names lead to the one file that has the attribute.
    if (withAttribute) expect(losses.extendedAttributes?.count).toBe(2)
    expect(describeLosses(losses)[0]).toMatch(/^2 hard links are stored as files of their own: (one, two|two, one)$/)
  })

  it('reads to the end a file that claims to be empty', async () => {
    // What /proc shows has no size, and comes in pieces smaller than what was asked for.
    const source = '/proc/self/maps'
    const { snapshot } = await uploaded(source)
    const stored = await contentOf(repository, rootOf(snapshot))
    expect(stored.length).toBeGreaterThan(4096)
    expect(stored.length).toBeGreaterThan(readFileSync(source).length / 2)
    expect(stored.at(-1)).toBe(0x0a)
    expect(rootOf(snapshot).sizeBytes).toBe(stored.length)
  })

  it('stores any tree of files so that the same bytes come back', async () => {
    const name = fc.stringMatching(/^[a-z]{1,3}$/)
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 50 }),
      fc.nat(300_000).map((n) => new Uint8Array(n).fill(n)),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(name, fc.oneof(content, fc.dictionary(name, content, { maxKeys: 4 })), { maxKeys: 6 }),
        async (tree) => {
          const source = scratch()
          const files = new Map<string, Uint8Array>()
          for (const [path, value] of Object.entries(tree)) {
            if (value instanceof Uint8Array) files.set(path, value)
            else {
              mkdirSync(join(source, path))
              for (const [child, data] of Object.entries(value)) files.set(`${path}/${child}`, data)
            }
          }
          for (const [path, data] of files) writeFileSync(join(source, path), data)
          const { tree: stored, snapshot } = await uploaded(source)
          const total = [...files.values()].reduce((sum, d) => sum + d.length, 0)
          expect(rootOf(snapshot).summary).toMatchObject({ fileCount: files.size, totalBytes: total, fatalErrorCount: 0 })
          for (const [path, data] of files) expect((await contentOf(repository, stored.get(path))).equals(data), path).toBe(true)
        },
      ),
      { numRuns: 20 },
    )
  })
})

describe('ignore rules in an upload', () => {
  it('leave out and count what they name, with rules of ignore files for their folder', async () => {
    const source = scratch()
    mkdirSync(join(source, 'sub/deep'), { recursive: true })
    for (const name of ['keep', 'a.tmp', 'sub/b.tmp', 'sub/local', 'sub/deep/x']) writeFileSync(join(source, name), '12345')
    writeFileSync(join(source, 'sub/.kopiaignore'), 'local\ndeep\n')
    const watcher = new Watcher()
    const { tree, snapshot } = await uploaded(source, { policy: { files: { ignore: ['*.tmp'] } }, observer: watcher })
    expect([...tree.keys()].sort()).toEqual(['', 'keep', 'sub', 'sub/.kopiaignore'])
    expect(watcher.left.sort()).toEqual(['a.tmp', 'sub/b.tmp', 'sub/deep', 'sub/local'])
    expect(snapshot.stats).toMatchObject({ excludedFileCount: 3, excludedDirectoryCount: 1, excludedBytes: 15 })
  })

  it('leave out large files and other file systems without counting, and what is in caches, counted as a folder each', async () => {
    const source = scratch()
    mkdirSync(join(source, 'cache/inner'), { recursive: true })
    writeFileSync(join(source, 'cache/CACHEDIR.TAG'), 'Signature: 8a477f597d28d172789f06886806bc55\n')
    writeFileSync(join(source, 'cache/data'), 'x')
    writeFileSync(join(source, 'small'), Buffer.alloc(100))
    writeFileSync(join(source, 'large'), Buffer.alloc(101))
    const policy = { files: { maxFileSize: 100, oneFileSystem: true } }
    const watcher = new Watcher()
    const { tree, snapshot } = await uploaded(source, { policy, observer: watcher })
    expect([...tree.keys()].sort()).toEqual(['', 'cache', 'small'])
    expect(snapshot.stats).toMatchObject({ excludedFileCount: 0, excludedDirectoryCount: 1 })
    expect(watcher.left).toEqual(['cache'])
    const all = await uploaded(source, { policy: { files: { ignoreCacheDirs: false } } })
    expect(all.tree.has('cache/data')).toBe(true)
  })
})

describe('placeholders of a shallow restore in an upload', () => {
  const summary = {
    totalBytes: 3,
    fileCount: 1,
    symlinkCount: 0,
    directoryCount: 1,
    maxTimeNs: 0n,
    fatalErrorCount: 0,
    ignoredErrorCount: 0,
    errors: [],
  }
  const plain = { mode: 0o644, modifiedNs: 5n, uid: 1, gid: 2 }
  const objects = { compressor: '', metadataCompressor: '', splitter: '' }

  it('become the entries that they stand for', async () => {
    const [file, dir] = await repository.objects.writeMany([
      { data: Buffer.from('abc'), options: { ...objects, prefix: '' } },
      { data: encodeDirectory([], summary), options: { ...objects, prefix: 'k' } },
    ])
    const source = scratch()
    const fileEntry = { ...plain, name: 'file', type: 'f', sizeBytes: 3, objectId: file as never }
    const dirEntry = { ...plain, name: 'dir', type: 'd', sizeBytes: 0, objectId: dir as never, summary }
    writeFileSync(join(source, 'file.kopia-entry'), `${encodeEntry(fileEntry)}\n`)
    mkdirSync(join(source, 'dir.kopia-entry'))
    writeFileSync(join(source, 'dir.kopia-entry/.kopia-entry'), `${encodeEntry(dirEntry)}\n`)
    const { tree, snapshot } = await uploaded(source)
    expect(tree.get('file')).toEqual(fileEntry)
    expect(tree.get('dir')).toEqual(dirEntry)
    expect(rootOf(snapshot).summary).toMatchObject({ totalBytes: 6, fileCount: 2, directoryCount: 2, fatalErrorCount: 0 })
  })

  it('fail, each by itself, when they are damaged, doubled or stand for what is not there', async () => {
    const source = scratch()
    const missing = { ...plain, name: 'gone', type: 'f', sizeBytes: 3, objectId: '00112233445566778899aabbccddeeff' as never }
    writeFileSync(join(source, 'gone.kopia-entry'), encodeEntry(missing))
    writeFileSync(join(source, 'id.kopia-entry'), encodeEntry({ ...missing, name: 'id', objectId: 'not an id' as never }))
    writeFileSync(join(source, 'json.kopia-entry'), '{"name":')
    writeFileSync(join(source, 'name.kopia-entry'), encodeEntry({ ...missing, name: '../up' }))
    writeFileSync(join(source, 'twice'), '')
    writeFileSync(join(source, 'twice.kopia-entry'), encodeEntry({ ...missing, name: 'twice' }))
    mkdirSync(join(source, 'empty.kopia-entry'))
    const { tree, snapshot } = await uploaded(source, {
      policy: { errorHandling: { ignoreFileErrors: true, ignoreDirectoryErrors: true } },
    })
    expect([...tree.keys()].sort()).toEqual(['', 'twice'])
    const failures = rootOf(snapshot).summary
    expect(failures?.errors.map((e) => e.path)).toEqual(['empty', 'gone', 'id', 'json', 'name', 'twice'])
    expect(failures?.fatalErrorCount).toBe(6)
  })
})
