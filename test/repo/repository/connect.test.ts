import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { UsageError } from '#base/errors.ts'
import { openStorage } from '#repo/blob/registry.ts'
import { WrongPasswordError } from '#repo/format/errors.ts'
import { connectRepository, disconnect, setClient } from '#repo/repository/connect.ts'
import { createRepository } from '#repo/repository/create.ts'
import { NotARepositoryError, NotConnectedError } from '#repo/repository/errors.ts'
import { readLocalConfig } from '#repo/repository/local-config.ts'
import { openRepository } from '#repo/repository/open.ts'
import { passwordFile, savePassword } from '#repo/repository/password-store.ts'
import { fastKey } from '../../support/fast-key.ts'
import { scratchFolders } from '../../support/scratch.ts'

const scratch = scratchFolders()
const password = 'test-password'
let place: string
let storageConnection: { type: string; config: { path: string } }

beforeAll(async () => {
  place = scratch()
  storageConnection = { type: 'filesystem', config: { path: join(place, 'repo') } }
  await createRepository(await openStorage(storageConnection, true), { deriveKey: fastKey }, password)
})

const connectHere = async (folder: string, extra: object = {}): Promise<string> => {
  const configFile = join(folder, 'config', 'repository.config')
  const caching = { cacheDirectory: join(folder, 'caches', 'mine') }
  await connectRepository({ configFile, storageConnection, password, caching, deriveKey: fastKey, ...extra })
  return configFile
}

describe('connecting', () => {
  test('writes a configuration that opens the repository, fills the cache folder, and disconnecting removes all of it', async () => {
    const folder = scratch()
    const configFile = await connectHere(folder, { client: { hostname: 'laptop', username: 'alice', enableActions: true } })
    const config = JSON.parse(readFileSync(configFile, 'utf8'))
    expect(config).toEqual({
      storage: { type: 'filesystem', config: { path: join(place, 'repo'), dirShards: null } },
      caching: {
        cacheDirectory: '../caches/mine',
        maxCacheSize: 5242880000,
        maxMetadataCacheSize: 5242880000,
        maxListCacheDuration: 30,
      },
      hostname: 'laptop',
      username: 'alice',
      description: `Repository in Filesystem: ${join(place, 'repo')}`,
      enableActions: true,
      formatBlobCacheDuration: 900000000000,
    })
    expect(readdirSync(join(folder, 'caches/mine'))).toEqual(expect.arrayContaining(['CACHEDIR.TAG', 'kopia.blobcfg', 'kopia.repository']))
    const repository = await openRepository({ configFile, password, deriveKey: fastKey })
    expect(repository.client).toMatchObject({ hostname: 'laptop', username: 'alice', readOnly: false, enableActions: true })
    expect(repository.configFile).toBe(configFile)
    expect(repository.cacheDirectory).toBe(join(folder, 'caches/mine'))
    await repository.close()
    await savePassword(configFile, password)
    writeFileSync(`${configFile}.mlock`, '')
    writeFileSync(`${configFile}.update-info.json`, '{}')
    writeFileSync(join(folder, 'caches/mine', 'not-ours'), '')
    await disconnect(configFile)
    expect(readdirSync(join(folder, 'config'))).toEqual([])
    expect(readdirSync(join(folder, 'caches/mine'))).toEqual(['not-ours'])
    await expect(openRepository({ configFile, password, deriveKey: fastKey })).rejects.toThrow(NotConnectedError)
    await expect(disconnect(configFile)).rejects.toThrow(NotConnectedError)
  })

  test('with a wrong password leaves no connection, not even an earlier one', async () => {
    const folder = scratch()
    const configFile = await connectHere(folder)
    await savePassword(configFile, password)
    await expect(connectHere(folder, { password: 'wrong' })).rejects.toThrow(WrongPasswordError)
    expect(existsSync(configFile)).toBe(false)
    expect(existsSync(passwordFile(configFile))).toBe(false)
  })

  test('where there is no repository leaves the earlier connection alone', async () => {
    const folder = scratch()
    const configFile = join(folder, 'repository.config')
    writeFileSync(configFile, '{}')
    const empty = { type: 'filesystem', config: { path: scratch() } }
    const options = { configFile, storageConnection: empty, password }
    await expect(connectRepository(options)).rejects.toThrow(NotARepositoryError)
    await expect(connectRepository({ ...options, storageConnection: { type: 'floppy', config: {} } })).rejects.toThrow(UsageError)
    expect(readFileSync(configFile, 'utf8')).toBe('{}')
  })

  test('without a cache writes an empty caching member', async () => {
    const folder = scratch()
    const configFile = await connectHere(folder, { caching: { cacheDirectory: join(folder, 'caches'), maxCacheSizeBytes: 0 } })
    expect(JSON.parse(readFileSync(configFile, 'utf8')).caching).toEqual({})
    expect(existsSync(join(folder, 'caches'))).toBe(false)
  })
})

describe('setClient', () => {
  test('changes what it is told, keeps all else, and opening obeys', async () => {
    const folder = scratch()
    const configFile = await connectHere(folder)
    const before = await readLocalConfig(configFile, {})
    process.env['KOPIA_CACHE_DIRECTORY'] = '/elsewhere'
    try {
      await setClient(configFile, { readOnly: true, username: 'bob', formatBlobCacheDurationNs: -1n })
    } finally {
      delete process.env['KOPIA_CACHE_DIRECTORY']
    }
    expect(await readLocalConfig(configFile, {})).toEqual({ ...before, readOnly: true, username: 'bob', formatBlobCacheDurationNs: -1n })
    const repository = await openRepository({ configFile, password, deriveKey: fastKey })
    expect(repository.client).toMatchObject({ readOnly: true, username: 'bob' })
    await expect(repository.blobs.put('x', [])).rejects.toThrow(/storage is read-only/)
    await repository.close()
  })

  test('without a change is a usage error', async () => {
    const configFile = join(scratch(), 'repository.config')
    await expect(setClient(configFile, { readOnly: true })).rejects.toThrow(NotConnectedError)
    writeFileSync(configFile, '{}')
    await expect(setClient(configFile, {})).rejects.toThrow('no changes')
  })
})

test('permissive loading needs a read-only connection and the upgrade variable', async () => {
  const folder = scratch()
  await mkdir(folder, { recursive: true })
  await expect(connectHere(folder, { permissiveCacheLoading: true })).rejects.toThrow(UsageError)
  await rm(folder, { recursive: true })
})
