import { existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { deflateRawSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { filesystemBackend } from '#repo/blob/filesystem.ts'
import { filesystemOptions } from '#repo/blob/filesystem-options.ts'
import type { ContentId } from '#repo/content/content-id.ts'
import { allIds, type ContentInfo } from '#repo/content/content-info.ts'
import { listAll } from '#repo/content/epoch/refresh.ts'
import { buildIndex } from '#repo/content/index/build.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectRepository } from '#repo/repository/repository.ts'
import { descend } from '#snapshot/model/object-path.ts'
import { listSnapshots } from '#snapshot/model/snapshots.ts'
import { readDirectory, walkTree } from '#snapshot/tree/repository-tree.ts'
import { failure, HostileRepository, pipe } from '../support/hostile.ts'
import { scratchFolders } from '../support/scratch.ts'

const scratch = scratchFolders()
let hostile: HostileRepository
beforeEach(async () => {
  hostile = await HostileRepository.create(join(scratch(), 'repository'))
})
afterEach(() => hostile.close())

const idOf = (n: number, prefix = ''): string => prefix + n.toString(16).padStart(32, '0')
const object = (id: string): ObjectId => id as ObjectId

/** Opens the repository; what has nothing to do with the damage must be readable. */
async function openSound(): Promise<DirectRepository> {
  const repository = await hostile.open()
  expect((await repository.objects.readAll(hostile.good.id)).equals(hostile.good.data)).toBe(true)
  return repository
}

describe('index blobs', () => {
  const valid = (over: Partial<ContentInfo> = {}, version: 1 | 2 = 2, id = idOf(1)): Buffer =>
    buildIndex(
      [
        {
          id: id as ContentId,
          packBlob: 'p0123',
          packOffset: 0,
          packedLength: 100,
          originalLength: 72,
          timestampSeconds: 1,
          deleted: false,
          compressionHeader: 0,
          formatVersion: 3,
          encryptionKeyId: 0,
          ...over,
        },
      ],
      version,
    )[0] as Buffer
  const patched = (at: number, bytes: readonly number[], version: 1 | 2 = 2): Buffer => {
    const file = valid({}, version)
    file.set(bytes, at)
    return file
  }

  test.each<[string, Buffer]>([
    ['empty', Buffer.alloc(0)],
    ['a header alone, version 1, with all rows that 32 bits count', Buffer.from([1, 17, 0, 20, 255, 255, 255, 255])],
    ['a count beyond the file', patched(4, [255, 255, 255, 255])],
    ['a count beyond the file, version 1', patched(4, [127, 255, 255, 255], 1)],
    ['packs beyond the file', patched(8, [255, 255, 255, 255])],
    ['formats beyond the file', patched(12, [255])],
    ['a key size of one', patched(1, [1])],
    ['a key size of 255', patched(1, [255])],
    ['a value size of none', patched(2, [0, 0], 1)],
    ['keys of another hash', valid({}, 2, '01'.repeat(32))],
    ['keys of another hash, version 1', valid({}, 1, '0102')],
    ['an unknown version', patched(0, [3])],
    ['noise', Buffer.alloc(5000, 0xa5)],
  ])('that are damaged are skipped: %s', async (_what, bytes) => {
    const name = await hostile.putIndex(bytes)
    const repository = await openSound()
    expect(hostile.warnings.join()).toContain(name)
    expect([...repository.contents.iterate(allIds, true)].length).toBeGreaterThan(0)
    await failure(() => repository.contents.get(idOf(1) as ContentId))
  })

  test.each<[string, Partial<ContentInfo>]>([
    ['all the length that an index can hold', { packedLength: 2 ** 28 - 1, originalLength: 2 ** 28 - 1 }],
    ['all the offset', { packOffset: 2 ** 30 - 1 }],
    ['no length', { packedLength: 0, originalLength: 0 }],
    ['an unknown compressor', { compressionHeader: 0x7777 }],
    ['a key that nobody has', { encryptionKeyId: 7 }],
    ['a pack with a path as name', { packBlob: '../../../../etc/passwd' }],
    ['a pack with dots as name', { packBlob: `${'.'.repeat(40)}` }],
    ['a pack without a name', { packBlob: '' }],
    ['a pack with a long name', { packBlob: 'p'.repeat(255) }],
  ])('may name %s', async (_what, over) => {
    const content = await hostile.plant(idOf(2), Buffer.from('planted'), over)
    const repository = await openSound()
    await failure(() => repository.contents.get(content))
  })

  test('of version 1 may name packs of 4 GiB, without memory being set aside for them', async () => {
    const content = await hostile.plant(idOf(3), Buffer.from('x'))
    await hostile.open()
    const packBlob = (await hostile.open()).contents.info(content)?.packBlob as string
    await hostile.putIndex(valid({ packBlob, packedLength: 2 ** 32 - 1, originalLength: 0 }, 1, idOf(4)))
    const repository = await openSound()
    expect((await failure(() => repository.contents.get(idOf(4) as ContentId))).code).toBe('CORRUPT_CONTENT')
  })
})

describe('blobs', () => {
  test('with odd names, and garbage in the place of index blobs', async () => {
    const names = ['xn0_', 'xn0_..', 'xn0_zz-c1', 'xn-1_0', 'xn99999999999999999999_00', 'xs0_', 'xr5_0_', 'xe', 'xw', 'xw1e9', 'p', 'q-']
    for (const name of [...names, `xn0_${'é'.repeat(30)}`, 'xn0_ \n\t', `xn0_${'f'.repeat(200)}`])
      await hostile.putBlob(name, Buffer.from('x'))
    await openSound()
  })

  test('that begin an epoch of any number', async () => {
    await hostile.putBlob('xe9007199254740991', Buffer.from('x'))
    await openSound()
  })

  test('in the wrong folder, and files that no system reads as such', async () => {
    const root = hostile.path
    const name = (n: number) => join(root, `xn0_${idOf(n)}-s00-c1.f`)
    writeFileSync(name(1), 'stray') // listed, and not there where its name belongs
    pipe(name(2))
    symlinkSync('/dev/zero', name(3))
    symlinkSync('/', name(4))
    symlinkSync(name(5), name(5))
    symlinkSync('/nowhere', name(6))
    mkdirSync(name(7))
    writeFileSync(Buffer.concat([Buffer.from(join(root, 'xn0_')), Buffer.from([0xff, 0xfe]), Buffer.from('.f')]), 'not UTF-8')
    const repository = await openSound()
    expect(hostile.warnings).toHaveLength(1)
    expect((await listAll(repository.blobs, 'xn0_0000')).map((b) => b.id)).toEqual([`xn0_${idOf(1)}-s00-c1`])
  })

  test('of terabytes, as an index', async () => {
    const id = await hostile.putIndex(Buffer.from('x'))
    const file = join(hostile.path, id[0] as string, id.slice(1, 4), `${id.slice(4)}.f`)
    truncateSync(file, 2 ** 42)
    const before = process.memoryUsage().rss
    await openSound()
    expect(process.memoryUsage().rss - before).toBeLessThan(200 << 20)
  })

  test.each(['pipe', 'folder', 'device', 'dangling link'])('that are a %s, as a pack', async (kind) => {
    const content = await hostile.plant(idOf(9), Buffer.from('x'))
    const pack = (await hostile.open()).contents.info(content)?.packBlob as string
    const file = join(hostile.path, pack[0] as string, pack.slice(1, 4), `${pack.slice(4)}.f`)
    expect(existsSync(file)).toBe(true)
    unlinkSync(file)
    if (kind === 'pipe') pipe(file)
    else if (kind === 'folder') mkdirSync(file)
    else symlinkSync(kind === 'device' ? '/dev/zero' : '/nowhere', file)
    const repository = await openSound()
    await failure(() => repository.contents.get(content))
    await failure(() => repository.blobs.get(pack))
  })

  test.each<[string, string]>([
    ['nothing', ''],
    ['noise', '\u0000\u0001'],
    ['a list', '[]'],
    ['lengths that are no numbers', '{"default":["1"]}'],
    ['lengths that lead out of the folder', '{"default":[2,2],"maxNonShardedLength":1e999}'],
    ['deep nesting', '['.repeat(1_000_000)],
  ])('spread over folders as .shards says: %s', async (_what, text) => {
    writeFileSync(join(hostile.path, '.shards'), text)
    await failure(() => openSound())
  })

  test('cannot lie outside of the storage', async () => {
    writeFileSync(join(hostile.path, '.shards'), '{"default":[2,2],"maxNonShardedLength":4}')
    writeFileSync(join(dirname(hostile.path), 'outside00000000.f'), 'secret')
    const storage = await filesystemBackend.open(filesystemOptions(hostile.path), false)
    for (const name of ['..outside00000000', '....outside', '../outside00000000', 'a/b', 'a\0b', '']) {
      await failure(() => storage.put(name, [Buffer.from('x')]))
      expect((await failure(() => storage.get(name))).code).toBe('STORAGE')
    }
    await storage.close()
    renameSync(join(dirname(hostile.path), 'outside00000000.f'), join(hostile.path, 'moved'))
    expect(readFileSync(join(hostile.path, 'moved'), 'utf8')).toBe('secret')
  })
})

describe('contents', () => {
  const zeros = Buffer.alloc(64 << 20)
  // One RLE block after another, 128 KiB each, in a frame that does not say how long it is.
  const zstdBomb = (blocks: number): Buffer =>
    Buffer.concat([
      Buffer.from('28b52ffd0080', 'hex').subarray(0, 6),
      ...Array.from({ length: blocks }, (_, i) => Buffer.from([i === blocks - 1 ? 3 : 2, 0, 0x10, 0])),
    ])
  const s2Bomb = Buffer.concat([
    Buffer.from('ff060000', 'hex'),
    Buffer.from('S2sTwO'),
    ...Array.from({ length: 100_000 }, () => Buffer.from('0009000000000000808080020000', 'hex').subarray(0, 13)),
  ])

  test.each<[string, number, Buffer]>([
    ['gzip', 0x1000, gzipSync(zeros)],
    ['deflate', 0x1500, deflateRawSync(zeros)],
    ['zstd', 0x1100, zstdBomb(200_000)],
    ['s2', 0x1200, s2Bomb],
    ['noise as lz4', 0x1400, Buffer.from('04224d1864707300000080', 'hex')],
  ])('expand to no more than their index says: %s', async (_what, header, stream) => {
    const content = await hostile.plantCompressed(idOf(20), header, stream, 1000)
    const container = Buffer.concat([Buffer.from([0, 0, header >> 8, header & 255]), stream])
    await hostile.plant(idOf(21), container)
    await hostile.plant(idOf(22), Buffer.from(`{"stream":"kopia:indirect","entries":[{"l":1000,"o":"Z${idOf(21)}"}]}`))
    const repository = await openSound()
    const before = process.memoryUsage().rss
    await failure(() => repository.contents.get(content))
    await failure(() => repository.objects.readAll(object(`I${idOf(22)}`)))
    expect(process.memoryUsage().rss - before).toBeLessThan(150 << 20)
  })
})

describe('objects', () => {
  const entries = (list: string): Buffer => Buffer.from(`{"stream":"kopia:indirect","entries":[${list}]}`)

  test.each<[string, Buffer]>([
    ['an empty list', entries('')],
    ['a negative start', entries(`{"s":-5,"l":5,"o":"${idOf(31)}"}`)],
    ['a negative length', entries(`{"l":-5,"o":"${idOf(31)}"}`)],
    ['overlapping entries', entries(`{"l":10,"o":"${idOf(31)}"},{"s":5,"l":10,"o":"${idOf(31)}"}`)],
    ['a length beyond 2^63', entries(`{"l":9223372036854775808,"o":"${idOf(31)}"}`)],
    ['a length of 1e999', entries(`{"l":1e999,"o":"${idOf(31)}"}`)],
    ['a length of a million digits', entries(`{"l":${'9'.repeat(1_000_000)},"o":"${idOf(31)}"}`)],
    ['a sum beyond 2^53', entries(`{"l":9007199254740991,"o":"${idOf(31)}"},{"s":9007199254740991,"l":9,"o":"${idOf(31)}"}`)],
    ['more than there is', entries(`{"l":4503599627370496,"o":"${idOf(31)}"}`)],
    ['compressed parts of any length', entries(`{"l":4503599627370496,"o":"Z${idOf(31)}"}`)],
    ['itself', entries(`{"l":5,"o":"I${idOf(30)}"}`)],
    ['an ancestor', entries(`{"l":5,"o":"I${idOf(32)}"}`)],
    ['absurd nesting', entries(`{"l":5,"o":"${'I'.repeat(100_000)}${idOf(31)}"}`)],
    ['no object ID', entries(`{"l":5,"o":"../../x"}`)],
    ['wrong types', entries(`7,null,"x",[],{"s":"0","l":"5","o":7}`)],
    ['deep nesting', Buffer.from('{"entries":'.repeat(300_000))],
    ['deep nesting around a large number', entries(`{"l":${'['.repeat(200_000)}12345678901234567890${']'.repeat(200_000)}}`)],
    ['a long string of escapes, and more behind it', Buffer.concat([entries(`{"o":"${'\\n'.repeat(8_000_000)}"}`), Buffer.from('}')])],
    ['millions of nothing', entries(Array(25_000_000).fill('{}').join())],
  ])('made of %s', async (_what, index) => {
    await hostile.plant(idOf(30), index)
    await hostile.plant(idOf(31), Buffer.from('hello'))
    await hostile.plant(idOf(32), entries(`{"l":5,"o":"I${idOf(30)}"}`))
    const repository = await openSound()
    const id = object(`I${idOf(30)}`)
    await failure(() => repository.objects.readAll(id))
    await failure(() => repository.objects.open(object(`${'I'.repeat(200)}${idOf(30)}`)))
    // Opening may succeed where only reading shows the damage.
    const reader = await repository.objects.open(id).catch(() => undefined)
    if (reader) await failure(() => reader.read(Buffer.alloc(64), 0))
    await repository.objects.isPresent(id).catch((error: unknown) => failure(Promise.reject(error)))
  })
})

describe('directories', () => {
  const directory = (list: string, rest = ''): Buffer => Buffer.from(`{"stream":"kopia:directory","entries":[${list}]${rest}}`)
  const file = (name: string, more = ''): string => `{"name":${JSON.stringify(name)},"type":"f","obj":"${idOf(41)}"${more}}`

  test.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['another stream', Buffer.from('{"stream":"kopia:indirect"}')],
    ['entries that are none', directory('7,"x",null')],
    ['a mode of 400 digits', directory(file('x', `,"mode":"${'9'.repeat(400)}"`))],
    ['a mode of letters', directory(file('x', ',"mode":"rwx"'))],
    ['sizes beyond int64', directory(file('x', ',"size":1e999'))],
    ['negative owners', directory(file('x', ',"uid":-1'))],
    ['times of a million letters', directory(file('x', `,"mtime":"${'2'.repeat(1_000_000)}"`))],
    ['a time in month 13', directory(file('x', ',"mtime":"2020-13-01T00:00:00Z"'))],
    ['lists for texts', directory('{"name":[],"type":{},"obj":1}')],
    ['a summary of the wrong type', directory('', ',"summary":[1]')],
    ['errors of the wrong type', directory('', ',"summary":{"errors":{"x":1}}')],
    ['deep nesting', directory(`${'['.repeat(500_000)}`)],
    ['millions of nothing', directory(Array(25_000_000).fill('{}').join())],
  ])('made of %s', async (_what, bytes) => {
    const id = await hostile.plant(idOf(40, 'k'), bytes)
    const repository = await openSound()
    const error = await failure(() => readDirectory(repository, object(id)))
    expect(error.message.length).toBeLessThan(20_000)
  })

  test('with names that are no names keep them to themselves; a million entries are read', async () => {
    const names = ['..', '.', 'a/b', '', 'nul\0', 'x'.repeat(300), '__proto__', '\ud800']
    const many = Array.from({ length: 1_000_000 }, (_, i) => file(`f${i}`))
    const id = await hostile.plant(idOf(42, 'k'), directory([...names.map((n) => file(n)), ...many].join()))
    const repository = await openSound()
    const { entries } = await readDirectory(repository, object(id))
    expect(entries).toHaveLength(1_000_000 + names.length)
    expect(entries.slice(0, 3).map((e) => e.name)).toEqual(['..', '.', 'a/b'])
  })

  test('inside themselves are not walked for ever', async () => {
    const child = (id: string): string => `{"name":"d","type":"d","obj":"${id}"}`
    await hostile.plant(idOf(50, 'k'), directory(`${child(idOf(51, 'k'))},${file('last')}`))
    await hostile.plant(idOf(51, 'k'), directory(child(idOf(50, 'k'))))
    const repository = await openSound()
    const root = await descend(repository, { ...(await readDirectory(repository, object(idOf(51, 'k')))).entries[0] } as never, [], '')
    const errors: unknown[] = []
    const paths: string[] = []
    for await (const { path } of walkTree(repository, root, { onError: (_, error) => errors.push(error) })) paths.push(path)
    expect(paths).toEqual(['', 'd', 'd/d', 'last'])
    expect(errors).toHaveLength(1)
  })
})

describe('manifests', () => {
  const manifest = (id: string, data: string): string =>
    `{"id":"${id}","labels":{"type":"snapshot"},"modified":"2026-01-01T00:00:00Z","data":${data}}`
  const plant = (n: number, text: string): Promise<ContentId> => hostile.plant(idOf(n, 'm'), gzipSync(text))

  test.each<[string, string]>([
    ['nothing', ''],
    ['a list', '[]'],
    ['entries of the wrong type', '{"entries":[1,2]}'],
    ['labels of the wrong type', '{"entries":[{"id":"a","labels":{"type":7}}]}'],
    ['a time that is none', '{"entries":[{"id":"a","modified":"yesterday"}]}'],
    ['deep nesting that does not end', `{"entries":[{"id":"a","data":${'['.repeat(1_000_000)}`],
    ['a bomb', `{"entries":[]${' '.repeat(300 << 20)}}`],
    ['millions of nothing', `{"entries":[${Array(25_000_000).fill('{}').join()}]}`],
  ])('made of %s fail as such, and nothing else does', async (_what, text) => {
    await plant(60, text)
    const repository = await openSound()
    expect((await failure(() => repository.manifests.find({ type: 'snapshot' }))).code).toBe('CORRUPT_MANIFEST')
  })

  test('with damaged payloads are left out, of those with the same ID the newest counts', async () => {
    const good = '{"source":{"host":"h","userName":"u","path":"/"},"rootEntry":null}'
    const bad = [
      '{"a":}',
      '[1,2',
      '7',
      `${'['.repeat(100_000)}1234567890123456789${']'.repeat(100_000)}`,
      '{"stats":{"totalSize":1e999}}',
      '{"pins":{}}',
    ]
    await plant(
      61,
      `{"entries":[${manifest('aa', good)},${manifest('aa', good).replace('2026', '2020')},${bad.map((b, i) => manifest(`b${i}`, b.replace('[1,2', '[1 2]'))).join()}]}`,
    )
    await plant(62, `{"entries":[${manifest('aa', good).replace('"u"', '"older"').replace('2026', '2025')}]}`)
    const repository = await openSound()
    const damaged: string[] = []
    const found = await listSnapshots(repository, { onDamaged: (id) => damaged.push(id) })
    expect(found.map(({ id, source }) => [id, source.user])).toEqual([['aa', 'u']])
    expect(damaged.sort()).toEqual(bad.map((_, i) => `b${i}`))
    await failure(() => listSnapshots(repository))
  })
})
