import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { encodeDirectory } from '#snapshot/model/directory-json.ts'
import { HostileEntryError } from '#snapshot/restore/errors.ts'
import { defaultRestoreOptions, type LocalRestoreOptions } from '#snapshot/restore/options.ts'
import { restoreTree } from '#snapshot/restore/run.ts'
import { scratchFolders } from '../../support/scratch.ts'
import {
  asOrdinaryUser,
  type MemoryRepository,
  memoryRepository,
  openAgain,
  ordinaryOwner,
  rootOf,
  treeOf,
  upload,
  whyNoOrdinaryUser,
} from '../memory-repository.ts'

const scratch = scratchFolders()
let memory: MemoryRepository
let repository: DirectRepository
beforeAll(async () => {
  memory = await memoryRepository()
  repository = memory.repository
})

const summary = {
  totalBytes: 0,
  fileCount: 0,
  symlinkCount: 0,
  directoryCount: 1,
  maxTimeNs: 0n,
  fatalErrorCount: 0,
  ignoredErrorCount: 0,
  errors: [],
}
const base = { mode: 0o755, sizeBytes: 0, modifiedNs: 0n, uid: ordinaryOwner, gid: ordinaryOwner }
const plain = { compressor: '', metadataCompressor: '', splitter: '' }

async function store(data: Uint8Array, prefix = ''): Promise<ObjectId> {
  const [id] = await repository.objects.writeMany([{ data, options: { ...plain, prefix } }])
  return id as ObjectId
}
const directory = async (name: string, entries: DirectoryEntry[]): Promise<DirectoryEntry> => ({
  ...base,
  name,
  type: 'd',
  objectId: await store(encodeDirectory(entries, summary), 'k'),
})
const file = async (name: string, text = name): Promise<DirectoryEntry> => ({
  ...base,
  name,
  type: 'f',
  sizeBytes: Buffer.byteLength(text),
  objectId: await store(Buffer.from(text)),
})

const restore = (root: DirectoryEntry, target: string, options: Partial<LocalRestoreOptions> = {}, from = repository) =>
  restoreTree({ repository: from, root, target, options: { ...defaultRestoreOptions, ...options } })

describe('a tree that no honest writer makes', () => {
  it('cannot get out of the target by its names; the rest of it is restored', async () => {
    const names = ['..', '.', '', '../up', 'a/b', '/etc/x', 'nul\0', '../../../../../../tmp/kura-hostile']
    const entries = await Promise.all([...names.map((n) => file(n)), ...names.map((n) => directory(n, [])), file('good')])
    // A directory object keeps one entry of each name.
    const parent = scratch()
    for (const options of [{}, { deleteExtra: true }, { writeFilesAtomically: true }]) {
      const { failures } = await restore(await directory('root', entries), join(parent, 'target'), options)
      expect(new Set(failures.map((f) => f.path))).toEqual(new Set(names.map((n) => (n === '' ? '.' : n))))
      for (const f of failures) expect(f.error).toBeInstanceOf(HostileEntryError)
      expect(readdirSync(join(parent, 'target'))).toEqual(['good'])
      expect(readdirSync(parent)).toEqual(['target'])
    }
  })

  it('never writes outside of its target, whatever the names', async () => {
    const part = fc.constantFrom('.', '..', '/', 'a', '\0', '\\', ' ', '~', 'ä', '')
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.array(part, { maxLength: 4 }).map((p) => p.join('')),
          { maxLength: 6 },
        ),
        async (names) => {
          const parent = scratch()
          mkdirSync(join(parent, 'x/y/target'), { recursive: true })
          const inner = await directory('a', await Promise.all(names.map((n) => file(n))))
          await restore(await directory('root', [inner, ...(await Promise.all(names.map((n) => file(n))))]), join(parent, 'x/y/target'))
          expect([readdirSync(parent), readdirSync(join(parent, 'x')), readdirSync(join(parent, 'x/y'))]).toEqual([
            ['x'],
            ['y'],
            ['target'],
          ])
        },
      ),
      { numRuns: 40 },
    )
  })

  it('is not followed into itself', async () => {
    const inner = await directory('inner', [await file('x')])
    const outer = await directory('outer', [inner])
    // No object can hold its own ID; a repository that gives other bytes for one can.
    const liar = Object.create(repository) as typeof repository
    Object.defineProperty(liar, 'objects', {
      value: {
        ...repository.objects,
        readAll: (id: ObjectId, max?: number) => repository.objects.readAll(id === inner.objectId ? (outer.objectId as ObjectId) : id, max),
      },
    })
    const target = scratch()
    const { failures } = await restore(outer, target, {}, liar)
    expect(failures).toHaveLength(1)
    expect(failures[0]?.error).toBeInstanceOf(HostileEntryError)
    expect(readdirSync(join(target, 'inner/inner'))).toEqual([])
  })

  it('may have links that lead out; nothing is written through them', async () => {
    const outside = scratch()
    const link = { ...base, name: 'way', type: 's', objectId: await store(Buffer.from(outside)) }
    const target = scratch()
    await restore(await directory('root', [link]), target)
    // The next restore has a folder in the place of the link.
    const second = await restore(await directory('root', [await directory('way', [await file('x')])]), target)
    expect(second.failures.map((f) => f.path)).toEqual(['way'])
    expect(readdirSync(outside)).toEqual([])
  })

  it('with unknown types, empty links and bad sizes fails there only', async () => {
    const bad: DirectoryEntry[] = [
      { ...base, name: 'device', type: 'b', objectId: await store(Buffer.from('x')) },
      { ...base, name: 'nothing', type: '', objectId: '' },
      { ...base, name: 'no object', type: 'f', objectId: '' },
      { ...base, name: 'no folder', type: 'd', objectId: '' },
      { ...base, name: 'empty link', type: 's', objectId: await store(Buffer.alloc(0)) },
      { ...base, name: 'nul link', type: 's', objectId: await store(Buffer.from('a\0b')) },
      { ...base, name: 'long link', type: 's', objectId: await store(Buffer.alloc(100_000, 'a')) },
      { ...base, name: 'not a folder', type: 'd', objectId: await store(Buffer.from('text'), 'k') },
      { ...base, name: 'n'.repeat(300), type: 'f', objectId: await store(Buffer.from('x')) },
      { ...base, name: 'bad id', type: 'f', objectId: 'zz' as ObjectId },
    ]
    const target = scratch()
    const { failures } = await restore(await directory('root', [...bad, await file('good')]), target)
    expect(failures.map((f) => f.path).sort()).toEqual(bad.map((e) => e.name).sort())
    // Folders stand, empty: where they were in the tree is known.
    expect(readdirSync(target).sort()).toEqual(['good', 'no folder', 'not a folder'])
  })
})

describe('contents that are missing', () => {
  it('cost the files that need them and no others, and leave no part of them', async () => {
    const { repository: first, blobs } = await memoryRepository()
    const source = scratch()
    const large = Buffer.alloc(6 << 20)
    for (let i = 0; i + 4 <= large.length; i += 4) large.writeUInt32LE(Math.imul(i, 2654435761) >>> 0, i)
    writeFileSync(join(source, 'small'), 'small')
    symlinkSync('target of the link', join(source, 'link'))
    const early = await upload(first, source)
    await first.flush()
    const old = new Set(blobs.keys())
    writeFileSync(join(source, 'new-small'), 'new')
    writeFileSync(join(source, 'new-large'), large)
    const { snapshot } = await upload(first, source, { previous: [early.snapshot] })
    await first.flush()
    const tree = await treeOf(first, rootOf(snapshot))
    expect(tree.size).toBe(5)
    for (const id of [...blobs.keys()]) if (id.startsWith('p') && !old.has(id)) blobs.delete(id)
    const damaged = await openAgain(blobs)
    for (const options of [{}, { writeFilesAtomically: true }, { writeSparseFiles: true }]) {
      const target = scratch()
      writeFileSync(join(target, 'new-small'), 'an older version')
      const { failures, counters } = await restore(rootOf(snapshot), target, options, damaged)
      expect(failures.map((f) => f.path).sort()).toEqual(['new-large', 'new-small'])
      expect(readdirSync(target).sort()).toEqual(['link', 'new-small', 'small'])
      expect(readFileSync(join(target, 'new-small'), 'utf8')).toBe('an older version')
      expect(counters).toMatchObject({ files: 1, symlinks: 1, directories: 1 })
    }
  })
})

describe.skipIf(whyNoOrdinaryUser !== undefined)(
  `a restore by an ordinary user${whyNoOrdinaryUser ? ` (skipped: ${whyNoOrdinaryUser})` : ''}`,
  () => {
    function folder(): string {
      const path = scratch()
      chownSync(path, ordinaryOwner, ordinaryOwner)
      return path
    }

    it('can be repeated over read-only files and folders', async () => {
      const inner = { ...(await directory('locked', [{ ...(await file('file')), mode: 0o400 }])), mode: 0o500 }
      const closed = { ...(await directory('closed', [await file('x')])), mode: 0 }
      const root = { ...(await directory('root', [inner, closed])), mode: 0o500 }
      const target = folder()
      await asOrdinaryUser(async () => {
        for (const options of [{}, {}, { writeFilesAtomically: true }, { deleteExtra: true }]) {
          const { failures } = await restore(root, join(target, 'root'), options)
          expect(failures, JSON.stringify(options)).toEqual([])
          expect(lstatSync(join(target, 'root')).mode & 0o777).toBe(0o500)
          expect(lstatSync(join(target, 'root/closed')).mode & 0o777).toBe(0)
          expect(readFileSync(join(target, 'root/locked/file'), 'utf8')).toBe('file')
        }
      })
    })

    it('leaves the mode of a read-only folder as it was when modes are not to be set', async () => {
      const root = await directory('root', [await file('file')])
      const target = folder()
      chmodSync(target, 0o500)
      await asOrdinaryUser(async () => {
        expect((await restore(root, target, { skipPermissions: true })).failures).toEqual([])
        expect(lstatSync(target).mode & 0o777).toBe(0o500)
      })
    })

    it('cannot give files away: that is passed over, or told when asked for', async () => {
      const root = { ...(await directory('root', [{ ...(await file('file')), uid: 12345 }])) }
      const target = folder()
      await asOrdinaryUser(async () => {
        const lenient = await restore(root, join(target, 'a'))
        expect(lenient.failures).toEqual([])
        expect(lstatSync(join(target, 'a/file')).uid).toBe(ordinaryOwner)
        const strict = await restore(root, join(target, 'b'), { ignorePermissionErrors: false })
        expect(strict.failures.map((f) => f.path)).toEqual(['file'])
      })
    })

    it('names what it may not delete or write, and goes on with the rest', async () => {
      const root = await directory('root', [await file('good'), await directory('theirs', [await file('x')])])
      const target = folder()
      mkdirSync(join(target, 'theirs'))
      mkdirSync(join(target, 'extra'))
      writeFileSync(join(target, 'extra/inside'), '')
      chmodSync(join(target, 'theirs'), 0o755)
      await asOrdinaryUser(async () => {
        const { failures } = await restore(root, target, { deleteExtra: true })
        expect(failures.map((f) => f.path).sort()).toEqual(['extra', 'theirs/x'])
        expect(readFileSync(join(target, 'good'), 'utf8')).toBe('good')
      })
    })
  },
)
