import { createHmac } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CacheDirectory } from '#repo/content/cache/cache-directory.ts'
import { contentCacheKey, packCacheKey } from '#repo/content/cache/cache-keys.ts'
import { DiskCache } from '#repo/content/cache/disk-cache.ts'
import { parseContentId } from '#repo/content/content-id.ts'
import { hkdf } from '#repo/crypto/keys.ts'
import { TestClock } from '../rig.ts'

const protection = Buffer.from('386217908e32f31c2f91cca064a57487', 'hex')
const key = '0123456789abcdef0123456789abcdef.0.3.0'
let folder: string
let warnings: string[]
const directoryAt = (path: string) => new CacheDirectory(path, (message) => warnings.push(message))
const cacheIn = (path: string, limits = { softBytes: 1e9, hardBytes: 0, minAgeMs: 0 }, clock = new TestClock(Date.now())) =>
  new DiskCache(directoryAt(path), 'contents', { sharded: true, protection, limits, clock })

beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'kura-cache-')), 'cache')
  warnings = []
})
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }))

test('the key of chapter 6.4 protects entries as stated there', async () => {
  const bytes = (from: number) => Buffer.from(Array.from({ length: 32 }, (_, i) => from + i))
  expect(hkdf(bytes(0), bytes(0x40), 'local-cache-integrity', 16).equals(protection)).toBe(true)
  await cacheIn(folder).put(key, Buffer.from('hello'))
  const file = readFileSync(join(folder, 'contents', '01', `${key.slice(2)}.f`))
  expect(file.subarray(5).toString('hex')).toBe('e0482be2d07a1425323821bd04d591ce77150fdc44b7ab8426620cd3d4e340c4')
})

test('entries lie where Kopia looks for them', async () => {
  const cache = cacheIn(folder)
  await cache.put('short', Buffer.from('x'))
  expect(existsSync(join(folder, 'contents', 'short.f'))).toBe(true)
  expect(readFileSync(join(folder, 'contents', '.shards'), 'utf8')).toBe('{"default":[2],"maxNonShardedLength":20}\n')
  expect(readFileSync(join(folder, 'CACHEDIR.TAG'), 'utf8')).toMatch(/^Signature: 8a477f597d28d172789f06886806bc55\n/)
  expect(statSync(join(folder, 'contents')).mode & 0o777).toBe(0o700)
  expect(statSync(join(folder, 'contents', 'short.f')).mode & 0o777).toBe(0o600)
})

test('cache keys have the prefix letter at the end', () => {
  const info = { packBlob: 'p', packOffset: 0, packedLength: 0, originalLength: 0, timestampSeconds: 0, deleted: false, encryptionKeyId: 0 }
  const id = 'bc2cf927f9ed52cc29116e6a5cfdbdf9'
  expect(contentCacheKey({ ...info, id: parseContentId(id), compressionHeader: 0, formatVersion: 3 })).toBe(`${id}.0.3.0`)
  expect(contentCacheKey({ ...info, id: parseContentId(`k${id}`), compressionHeader: 0x1101, formatVersion: 3 })).toBe(`${id}.1101.3.0k`)
  expect(packCacheKey('q123-s1')).toBe('123-s1q')
})

test('what was put is found whole and by range, and a range beyond it is told apart from a miss', async () => {
  const cache = cacheIn(folder)
  await cache.put(key, Buffer.from('0123456789'))
  expect((await cache.get(key))?.toString()).toBe('0123456789')
  expect(String(await cache.getRange(key, 3, 4))).toBe('3456')
  expect(await cache.getRange(key, 3, 8)).toBe('outside')
  expect(await cache.getRange('absent', 0, 1)).toBeUndefined()
  expect(await cache.get('absent')).toBeUndefined()
  expect(warnings).toEqual([])
})

test('a tampered or cut entry is a miss and is deleted', async () => {
  const cache = cacheIn(folder)
  for (const damage of [(b: Buffer) => b.fill(1, 2, 3), (b: Buffer) => b.subarray(0, 20), () => Buffer.alloc(0)]) {
    await cache.put(key, Buffer.from('0123456789'))
    const path = cache.pathOf(key)
    writeFileSync(path, damage(readFileSync(path)))
    expect(await cache.get(key)).toBeUndefined()
    expect(existsSync(path)).toBe(false)
  }
})

test('an entry that another program with the same key wrote is read', async () => {
  const cache = cacheIn(folder)
  await cache.put('other', Buffer.from('x'))
  const data = Buffer.from('from kopia')
  writeFileSync(join(folder, 'contents', 'foreign.f'), Buffer.concat([data, createHmac('sha256', protection).update(data).digest()]))
  expect((await cache.get('foreign'))?.toString()).toBe('from kopia')
})

test('the oldest entries go first when the soft limit is passed, young ones stay below the hard limit', async () => {
  const clock = new TestClock(Date.now())
  const limits = { softBytes: 500, hardBytes: 700, minAgeMs: 3_600_000 }
  const first = cacheIn(folder, limits, clock)
  for (const name of ['a', 'b', 'c']) await first.put(name, Buffer.alloc(100))
  const old = (clock.nowMs() - 7_200_000) / 1000
  utimesSync(first.pathOf('b'), old, old)
  const cache = cacheIn(folder, limits, clock)
  await cache.put('d', Buffer.alloc(100))
  const left = () => ['a', 'b', 'c', 'd', 'e', 'f'].filter((name) => existsSync(cache.pathOf(name)))
  expect(left()).toEqual(['a', 'c', 'd'])
  await cache.put('e', Buffer.alloc(100))
  expect(left()).toEqual(['a', 'c', 'd', 'e'])
  await cache.put('f', Buffer.alloc(300))
  expect(left().length).toBe(3)
  expect(left()).toContain('f')
})

test('a hit makes an entry young again', async () => {
  const cache = cacheIn(folder)
  await cache.put(key, Buffer.from('x'))
  utimesSync(cache.pathOf(key), 1000, 1000)
  const before = Date.now()
  await cache.get(key)
  expect(statSync(cache.pathOf(key)).mtimeMs).toBeGreaterThan(before - 60_000)
})

test('a directory that cannot be used is reported once and everything is a miss', async () => {
  const blocked = join(folder, '..', 'file')
  writeFileSync(blocked, '')
  const cache = cacheIn(join(blocked, 'cache'))
  await cache.put(key, Buffer.from('x'))
  await cache.put('k', Buffer.from('x'))
  expect(await cache.get(key)).toBeUndefined()
  expect(warnings.length).toBe(1)
  expect(warnings[0]).toContain('Work goes on without it')
})
