import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { defaultCaching } from '#repo/repository/caching-options.ts'
import { defaultHostname, defaultUsername } from '#repo/repository/client-defaults.ts'
import { LocalConfigError, NotConnectedError } from '#repo/repository/errors.ts'
import {
  defaultCacheDirectory,
  formatLocalConfig,
  type LocalConfig,
  readLocalConfig,
  writeLocalConfig,
} from '#repo/repository/local-config.ts'
import { scratchFolders } from '../../support/scratch.ts'

const scratch = scratchFolders()
const uid = Buffer.from(Array.from({ length: 32 }, (_, i) => i))

const config = (caches: string): LocalConfig => ({
  storage: { type: 'filesystem', config: { path: '/repo', dirShards: null } },
  caching: { ...defaultCaching, cacheDirectory: caches },
  hostname: 'host',
  username: 'user',
  readOnly: false,
  permissiveCacheLoading: false,
  description: 'Repository in Filesystem: /repo',
  enableActions: false,
  formatBlobCacheDurationNs: 900_000_000_000n,
  others: {},
})

const sample = `{
  "storage": {
    "type": "filesystem",
    "config": {
      "path": "/repo",
      "dirShards": null
    }
  },
  "caching": {
    "cacheDirectory": "../../.cache/kopia/a0d9a2182a89e05d",
    "maxCacheSize": 5242880000,
    "maxMetadataCacheSize": 5242880000,
    "maxListCacheDuration": 30
  },
  "hostname": "host",
  "username": "user",
  "description": "Repository in Filesystem: /repo",
  "enableActions": false,
  "formatBlobCacheDuration": 900000000000
}`

describe('the configuration file', () => {
  test('has the bytes that Kopia writes', () => {
    const file = '/home/user/.config/kopia/repository.config'
    const caches = defaultCacheDirectory(uid, file, '/home/user/.cache')
    expect(caches).toBe('/home/user/.cache/kopia/a0d9a2182a89e05d')
    expect(formatLocalConfig(config(caches), file)).toBe(sample)
  })

  test('comes back as it was written, with members that nobody knows and numbers beyond 2^53', async () => {
    const file = join(scratch(), 'r.config')
    const text = sample
      .replace('"enableActions": false,', '"readonly": true,\n  "permissiveCacheLoading": true,\n  "enableActions": true,')
      .replace('900000000000\n}', '9007199254740993,\n  "throttlingLimits": {},\n  "future": {\n    "n": 12345678901234567890\n  }\n}')
      .replace('"maxListCacheDuration": 30', '"maxListCacheDuration": 0.5,\n    "futureLimit": 7')
      .replace(/"description".*\n {2}/, '')
      .replace(/"readonly": true,\n {2}"permissive/, '"readonly": true,\n  "permissive')
    await writeFile(file, text)
    const read = await readLocalConfig(file, {})
    expect(read).toMatchObject({ readOnly: true, permissiveCacheLoading: true, formatBlobCacheDurationNs: 9007199254740993n })
    await writeLocalConfig(file, read)
    expect(await readFile(file, 'utf8')).toBe(text)
  })

  test('gives the cache folder absolute, unless the environment names another', async () => {
    const place = scratch()
    const file = join(place, 'r.config')
    await writeLocalConfig(file, config(join(place, 'caches/x')))
    expect(JSON.parse(await readFile(file, 'utf8')).caching.cacheDirectory).toBe('caches/x')
    expect((await readLocalConfig(file, {})).caching?.cacheDirectory).toBe(join(place, 'caches/x'))
    expect((await readLocalConfig(file, { KOPIA_CACHE_DIRECTORY: '/elsewhere' })).caching?.cacheDirectory).toBe('/elsewhere')
    expect((await readLocalConfig(file, { KOPIA_CACHE_DIRECTORY: 'relative' })).caching?.cacheDirectory).toBe(join(place, 'caches/x'))
  })

  test('is written atomically, its folder made, the mode kept', async () => {
    const place = join(scratch(), 'deep', 'er')
    const file = join(place, 'r.config')
    await writeLocalConfig(file, config(''))
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await stat(place)).mode & 0o777).toBe(0o700)
    await chmod(file, 0o640)
    await writeLocalConfig(file, config(''))
    expect((await stat(file)).mode & 0o777).toBe(0o640)
    expect(await readdir(place)).toEqual(['r.config'])
  })

  test('reads a server connection, keys in any case, and ignores what follows the JSON', async () => {
    const file = join(scratch(), 'r.config')
    await writeFile(file, '{"APIServer":{"url":"https://x","serverCertFingerprint":"ab"},"HostName":"h","caching":{}} trailing')
    const read = await readLocalConfig(file, {})
    expect(read.apiServer).toEqual({ url: 'https://x', serverCertFingerprint: 'ab', localCacheKeyDerivationAlgorithm: '' })
    expect(read.storage).toBeUndefined()
    expect(read.hostname).toBe('h')
    expect(read.caching?.cacheDirectory).toBe('')
  })

  test('is missing when nobody has connected', async () => {
    await expect(readLocalConfig(join(scratch(), 'r.config'), {})).rejects.toThrow(NotConnectedError)
  })

  test.each(['', '[]', '{"hostname":7}', '{"storage":"x"}', '{"readonly":"yes"', '{"formatBlobCacheDuration":1.5}'])(
    'is refused as %j',
    async (text) => {
      const file = join(scratch(), 'r.config')
      await writeFile(file, text)
      await expect(readLocalConfig(file, {})).rejects.toThrow(LocalConfigError)
    },
  )
})

describe('client defaults', () => {
  test.each([
    ['Laptop.Example.COM', 'laptop'],
    ['', 'nohost'],
  ])('host name %j is %s', (name, expected) => {
    expect(defaultHostname(name)).toBe(expected)
  })

  test.each([
    ['alice', 'linux', 'alice'],
    ['CORP\\alice', 'win32', 'alice'],
    ['corp\\alice', 'linux', 'corp\\alice'],
    ['', 'linux', 'nobody'],
  ] as const)('user name %j on %s is %s', (name, platform, expected) => {
    expect(defaultUsername(name, platform)).toBe(expected)
  })
})
