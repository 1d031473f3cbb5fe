import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KuraError } from '#base/errors.ts'
import { parseLayout } from '#repo/blob/shard.ts'
import { compressorByHeader, compressorByName } from '#repo/compression/registry.ts'
import { parseContentId } from '#repo/content/content-id.ts'
import { buildIndex } from '#repo/content/index/build.ts'
import { IndexSet } from '#repo/content/index/index-set.ts'
import { parseIndex } from '#repo/content/index/parse.ts'
import { parseCleanupList, parseCompactionLog } from '#repo/content/index-blobs/v0-log.ts'
import { encodePostamble, parsePostamble } from '#repo/content/pack-layout.ts'
import { createCipher } from '#repo/crypto/cipher.ts'
import { createEcc } from '#repo/crypto/ecc-layout.ts'
import { openBlobConfig, sealBlobConfig } from '#repo/format/blob-config.ts'
import { decodeInner, parseFormatBlob, sealFormatBlob, sealWithFormatKey } from '#repo/format/format-blob.ts'
import { buildNewFormat } from '#repo/format/new-format.ts'
import { decodeEntries } from '#repo/manifest/stored-form.ts'
import { decodeChunkList } from '#repo/object/indirect.ts'
import { decodeDirectory } from '#snapshot/model/directory-json.ts'
import { decodeSnapshot } from '#snapshot/model/manifest-json.ts'
import { row } from '../content/index/sample-rows.ts'
import { bounded, damaged, survives, tolerated } from './mutate.ts'

const rows = Array.from({ length: 40 }, (_, i) =>
  row((i % 3 === 0 ? 'k' : '') + (i * 0x1357_9bdf).toString(16).padStart(32, '7'), { packBlob: `p${i % 4}`, packOffset: i * 99 }),
)
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

test.each([1, 2] as const)('index files of version %d', async (version) => {
  const [file] = buildIndex(version === 1 ? rows.map((r) => ({ ...r, originalLength: 100 })) : rows, version)
  const sound = parseIndex(buildIndex(rows.slice(5), 2)[0] as Buffer, 28)
  await survives((bytes) => {
    const set = new IndexSet([parseIndex(bytes, 28), sound, sound, sound, sound], undefined)
    for (const { id } of rows.slice(0, 10)) set.find(id)
    let seen = 0
    for (const _ of set.iterate(undefined, true)) if (++seen > 1000) break
    set.packNames()
  }, file as Buffer)
})

test('postambles of packs', async () => {
  const good = Buffer.concat([randomBytes(100), encodePostamble({ iv: randomBytes(16), offset: 4096, length: 2 ** 40 })])
  expect(parsePostamble(good)).toBeDefined()
  await survives(parsePostamble, good, encodePostamble({ iv: Buffer.alloc(200), offset: 0, length: 0 }))
})

test('format blobs, outside and inside, and retention settings', async () => {
  const format = buildNewFormat()
  const key = randomBytes(32)
  const outer = { tool: 't', buildVersion: '1', buildInfo: '', uniqueId: format.uniqueId, keyAlgorithm: 'scrypt-65536-8-1', unknown: {} }
  const blob = sealFormatBlob(format, outer, key)
  await survives((bytes) => decodeInner(parseFormatBlob(bytes), key), blob)
  const parsed = parseFormatBlob(blob)
  const inner = json({
    format: {
      hash: format.hash,
      encryption: format.encryption,
      version: 3,
      maxPackSize: 1,
      secret: 'AAAA',
      masterKey: 'AAAA',
      eccOverheadPercent: 2,
    },
  })
  await survives((bytes) => {
    const opened = decodeInner({ ...parsed, encryptedBlockFormat: sealWithFormatKey(key, format.uniqueId, bytes) }, key)
    createCipher(opened)
  }, inner)
  await survives(
    (bytes) => openBlobConfig(sealWithFormatKey(key, format.uniqueId, bytes), key, format.uniqueId),
    json({ retentionMode: 'GOVERNANCE', retentionPeriod: 1e14 }),
  )
  await survives((bytes) => openBlobConfig(bytes, key, format.uniqueId), sealBlobConfig({ mode: '', periodNs: 0n }, key, format.uniqueId))
})

test('directories', () => {
  const entry = { name: 'a', type: 'f', mode: '0644', size: 5, mtime: '2026-01-02T03:04:05.678Z', uid: 1, gid: 2, obj: '00'.repeat(16) }
  const summ = {
    size: 1,
    files: 2,
    symlinks: 0,
    dirs: 1,
    maxTime: '2026-01-02T03:04:05Z',
    numFailed: 1,
    errors: [{ path: 'p', error: 'e' }],
  }
  return survives(decodeDirectory, json({ stream: 'kopia:directory', entries: [entry, { ...entry, type: 'd', summ }], summary: summ }))
})

test('indirect objects', () => {
  const id = 'ab'.repeat(16)
  return survives(
    (bytes) => decodeChunkList('Ix' as never, bytes),
    json({
      stream: 'kopia:indirect',
      entries: [
        { l: 5, o: id },
        { s: 5, l: 9007199254740990, o: `I${id}` },
      ],
    }),
  )
})

test('manifests', async () => {
  const payload = {
    source: { host: 'h', userName: 'u', path: '/' },
    startTime: '2026-01-02T03:04:05Z',
    stats: { totalSize: 1 },
    rootEntry: { name: 'x', type: 'd', obj: 'k00' },
    tags: { a: 'b' },
    pins: ['x'],
  }
  const text = json({ entries: [{ id: 'a', labels: { type: 'snapshot' }, modified: '2026-01-02T03:04:05Z', data: payload }] })
  // The caller wraps whatever this throws; here it must only end and throw errors.
  const read = async (stored: Buffer): Promise<void> =>
    void (await decodeEntries(stored).catch((error: unknown) => expect(error).not.toBeInstanceOf(RangeError)))
  await survives(read, gzipSync(text))
  await survives((bytes) => read(gzipSync(bytes)), text)
  await survives((bytes) => {
    let value: unknown
    try {
      value = JSON.parse(bytes.toString())
    } catch {
      return
    }
    decodeSnapshot('id', value)
  }, json(payload))
})

test.each(['gzip', 'deflate-default', 'zstd', 's2-default', 'lz4'])('streams of %s, and never more bytes than asked for', async (name) => {
  const plain = Buffer.from('abcabcabc--'.repeat(300) + randomBytes(50).toString('hex'))
  const lz4 = Buffer.from('04224d186440a70f0000001f6100000000000000000000', 'hex')
  const type = compressorByName(name)
  const streams =
    name === 'lz4'
      ? [lz4]
      : await Promise.all([plain, Buffer.alloc(5000), randomBytes(300)].map((p) => type?.compress(p) as Promise<Buffer>))
  await fc.assert(
    fc.asyncProperty(damaged(...streams), fc.constantFrom(0, 1, 3000, 1 << 20, 2 ** 53), async (bytes, maxBytes) => {
      const out = await tolerated(async () => compressorByHeader(type?.header ?? 0).expand(bytes, maxBytes))
      if (out) expect(out.length).toBeLessThanOrEqual(maxBytes)
    }),
    bounded as never,
  )
})

test.each([1, 2, 7, 10, 100])('blobs with %d percent of error correction', async (percent) => {
  const ecc = createEcc('REED-SOLOMON-CRC32', percent)
  await survives((bytes) => ecc.decode(bytes), ecc.encode(randomBytes(20)), ecc.encode(randomBytes(9000)), Buffer.alloc(0))
})

test('logs of compactions, and layouts of folders', async () => {
  const blob = { id: 'n01', length: 5, timestamp: '2026-01-02T03:04:05Z' }
  await survives((bytes) => parseCompactionLog('m0', bytes), json({ inputMetadata: [blob], outputMetadata: null }))
  await survives((bytes) => parseCleanupList('l0', bytes), json({ blobIDs: ['m0'], cleanupScheduleTime: blob.timestamp }))
  // Its caller wraps whatever this throws.
  const layout = json({ default: [1, 3], maxNonShardedLength: 20, overrides: [{ prefix: 'x', shards: [2] }] })
  await survives((bytes) => {
    try {
      parseLayout(bytes.toString())
    } catch (error) {
      expect(error instanceof KuraError || error instanceof SyntaxError).toBe(true)
    }
  }, layout)
})

test('content IDs', () => survives((bytes) => parseContentId(bytes.toString('latin1')), Buffer.from(`k${'0a'.repeat(16)}`)))
