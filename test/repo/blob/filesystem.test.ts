import { chmod, mkdir, readdir, readFile, rename, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { UsageError } from '#base/errors.ts'
import { StorageError, StorageFullError, TransientStorageError, UnsupportedOptionError } from '#repo/blob/errors.ts'
import { filesystemBackend } from '#repo/blob/filesystem.ts'
import { filesystemOptions, formatFilesystemOptions, parseFilesystemOptions } from '#repo/blob/filesystem-options.ts'
import { openStorage, parseConnectionInfo } from '#repo/blob/registry.ts'
import { storageErrorOf } from '#repo/blob/system-errors.ts'
import { listed } from '../../support/blob-conformance.ts'
import { scratchFolders } from '../../support/scratch.ts'

const scratch = scratchFolders()
const pack = 'p00003237e0ac3607edbee743a26b0b34'
const isRoot = process.geteuid?.() === 0

describe('a filesystem storage', () => {
  test('lays out a new storage by .shards with 1 and 3 letters', async () => {
    const path = scratch()
    const storage = await filesystemBackend.open(filesystemOptions(path), true)
    await storage.put(pack, [Buffer.from('x')])
    expect(await readFile(join(path, '.shards'), 'utf8')).toBe('{"default":[1,3],"maxNonShardedLength":20}\n')
    expect(await readFile(join(path, 'p/000/03237e0ac3607edbee743a26b0b34.f'), 'utf8')).toBe('x')
  })

  test('obeys an existing .shards whatever the options say', async () => {
    const path = scratch()
    await writeFile(join(path, '.shards'), '{"default":[2],"maxNonShardedLength":3}')
    const storage = await filesystemBackend.open(filesystemOptions(path, { dirShards: [] }), true)
    await storage.put('abcdef', [Buffer.from('x')])
    expect(await readdir(join(path, 'ab'))).toEqual(['cdef.f'])
  })

  test('refuses a file that is longer than any blob, before it takes memory for it', async () => {
    const path = scratch()
    const storage = await filesystemBackend.open(filesystemOptions(path), true)
    await storage.put(pack, [Buffer.from('x')])
    for (const sizeBytes of [2 ** 31, 2 ** 40]) {
      await truncate(join(path, 'p/000/03237e0ac3607edbee743a26b0b34.f'), sizeBytes)
      await expect(storage.get(pack)).rejects.toThrow(`has ${sizeBytes} bytes, which no blob of a repository has`)
      expect(await storage.get(pack, { offset: 0, length: 1 })).toEqual(Buffer.from('x'))
    }
  })

  test('fails on a damaged .shards and works once it is repaired', async () => {
    const path = scratch()
    await writeFile(join(path, '.shards'), '{"default":')
    const storage = await filesystemBackend.open(filesystemOptions(path), false)
    await expect(storage.get('abcdef')).rejects.toThrow(/cannot understand .*\.shards/)
    await writeFile(join(path, '.shards'), '{"default":[2],"maxNonShardedLength":3}')
    await storage.put('abcdef', [])
    expect(await listed(storage, '')).toEqual(['abcdef'])
  })

  test('finds blobs wherever they lie, and passes over foreign files', async () => {
    const path = scratch()
    await mkdir(join(path, 'p0/0'), { recursive: true })
    await mkdir(join(path, 'pfolder.f'))
    await writeFile(join(path, 'p0/0/1234.f'), 'abc')
    await writeFile(join(path, 'p5.f'), 'abcd')
    await writeFile(join(path, 'p5.f.tmp.0123456789abcdef'), 'half')
    await writeFile(join(path, 'pnotes.txt'), '')
    await symlink('/nowhere', join(path, 'plink'))
    const storage = await filesystemBackend.open(filesystemOptions(path), false)
    expect(await listed(storage, '')).toEqual(['p001234', 'p5'])
  })

  test.skipIf(isRoot)(
    'does not read folders that cannot hold the prefix, and fails on those that it must read (skipped: as root)',
    async () => {
      const path = scratch()
      const storage = await filesystemBackend.open(filesystemOptions(path), true)
      await storage.put(pack, [])
      await mkdir(join(path, 'q'))
      await chmod(join(path, 'q'), 0)
      expect(await listed(storage, 'p')).toEqual([pack])
      await expect(listed(storage, 'q')).rejects.toThrow(StorageError)
      await chmod(join(path, 'q'), 0o700)
    },
  )

  test('uses the modes it is given', async () => {
    const path = join(scratch(), 'new', 'root')
    const storage = await filesystemBackend.open(filesystemOptions(path, { fileMode: 0o640, dirMode: 0o750 }), true)
    await storage.put(pack, [])
    const mode = async (name: string) => (await stat(join(path, name))).mode & 0o777
    expect([await mode('.'), await mode('p/000'), await mode('p/000/03237e0ac3607edbee743a26b0b34.f')]).toEqual([0o750, 0o750, 0o640])
  })

  test('uses 0600 and 0700 by default', async () => {
    const path = scratch()
    const storage = await filesystemBackend.open(filesystemOptions(path), true)
    await storage.put(pack, [])
    expect((await stat(join(path, 'p'))).mode & 0o777).toBe(0o700)
    expect((await stat(join(path, 'p/000/03237e0ac3607edbee743a26b0b34.f'))).mode & 0o777).toBe(0o600)
  })

  test('never makes its root again when the volume has gone', async () => {
    const path = scratch()
    const storage = await filesystemBackend.open(filesystemOptions(path), true)
    await storage.put('a', [])
    await rename(path, `${path}-gone`)
    await expect(storage.put(pack, [])).rejects.toThrow(StorageError)
    await expect(listed(storage, '')).rejects.toThrow(StorageError)
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' })
    await rename(`${path}-gone`, path)
  })

  test('cannot be opened where there is no folder', async () => {
    const path = scratch()
    await expect(filesystemBackend.open(filesystemOptions(join(path, 'gone')), false)).rejects.toThrow(/cannot access the storage folder/)
    await writeFile(join(path, 'file'), '')
    await expect(filesystemBackend.open(filesystemOptions(join(path, 'file')), false)).rejects.toThrow(/is not a folder/)
  })

  test('keeps fractions of a millisecond of the time', async () => {
    const path = scratch()
    const storage = await filesystemBackend.open(filesystemOptions(path), true)
    await storage.put('a', [])
    await utimes(join(path, 'a.f'), 1683356889.25, 1683356889.1235)
    expect((await storage.stat('a')).modifiedMs).toBeCloseTo(1683356889123.5, 1)
  })

  test('leaves no temporary file when a put fails, and says what failed', async () => {
    const path = scratch()
    const storage = await filesystemBackend.open(filesystemOptions(path), true)
    await mkdir(join(path, 'a.f'))
    await expect(storage.put('a', [Buffer.from('x')])).rejects.toThrow(/cannot write blob a in/)
    expect((await readdir(path)).sort()).toEqual(['.shards', 'a.f'])
  })

  test.each(['', '../../etc/passwd', 'a/b', 'a\0b'])('refuses the name %j', async (id) => {
    const storage = await filesystemBackend.open(filesystemOptions(scratch()), true)
    await expect(storage.get(id)).rejects.toThrow(StorageError)
    await expect(storage.put(id, [])).rejects.toThrow(StorageError)
  })

  test('cannot lock blobs', async () => {
    const storage = await filesystemBackend.open(filesystemOptions(scratch()), true)
    await expect(storage.put('a', [], { retention: { mode: 'COMPLIANCE', periodNs: 1n } })).rejects.toThrow(UnsupportedOptionError)
  })
})

describe('system errors', () => {
  const error = (code: string) => Object.assign(new Error(`${code}: something`), { code })

  test.each(['ENOSPC', 'EDQUOT'])('%s says that the storage is full', (code) => {
    const wrapped = storageErrorOf(error(code), 'cannot write blob a')
    expect(wrapped).toBeInstanceOf(StorageFullError)
    expect(wrapped.message).toMatch(/^cannot write blob a: no space left on the storage/)
    expect(wrapped.retry).toBe(false)
  })

  test('errors that may pass are told from those that do not', () => {
    expect(storageErrorOf(error('EIO'), 'x')).toBeInstanceOf(TransientStorageError)
    expect(storageErrorOf(error('EACCES'), 'x')).not.toBeInstanceOf(TransientStorageError)
  })
})

describe('filesystem options', () => {
  test('come back as they were, in Kopia’s order, with members of others', () => {
    const json = { path: '/backup', fileMode: 384, dirMode: 448, uid: 0, gid: 7, dirShards: [3, 3], listParallelism: 5, maxUploadSpeed: 9 }
    expect(JSON.stringify(formatFilesystemOptions(parseFilesystemOptions(json)))).toBe(JSON.stringify(json))
    const small = { path: '/backup', dirShards: null }
    expect(JSON.stringify(formatFilesystemOptions(parseFilesystemOptions(small)))).toBe(JSON.stringify(small))
  })

  test('match keys in any case', () => {
    expect(parseFilesystemOptions({ PATH: '/x', FileMode: 1 })).toMatchObject({ path: '/x', fileMode: 1 })
  })

  test.each([[[]], ['text'], [{ path: 7 }], [{ path: 'relative' }], [{}], [{ path: '/x', dirShards: 'flat' }], [{ path: '/x', uid: '0' }]])(
    'of a wrong shape are a usage error: %j',
    (json) => {
      expect(() => parseFilesystemOptions(json)).toThrow(UsageError)
    },
  )
})

describe('the registry', () => {
  test('opens a storage by its connection', async () => {
    const path = scratch()
    const storage = await openStorage({ type: 'filesystem', config: { path, dirShards: null } }, true)
    expect(storage.displayName).toBe(`Filesystem: ${path}`)
    expect(storage.connection).toEqual({ type: 'filesystem', config: { path, dirShards: null } })
  })

  test('names the known types when it does not know one', async () => {
    await expect(openStorage({ type: 'floppy', config: {} }, false)).rejects.toThrow(/unknown storage type "floppy".*filesystem/)
    await expect(openStorage({ type: 'constructor', config: {} }, false)).rejects.toThrow(UsageError)
  })

  test.each([[{ type: 'filesystem' }], [{ type: 'filesystem', config: 3 }], [{ config: {} }], ['x'], [{ type: 1, config: {} }]])(
    'refuses the connection %j',
    async (json) => {
      await expect(parseConnectionInfo(json)).rejects.toThrow(UsageError)
    },
  )
})
