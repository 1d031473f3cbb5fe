import { expect, test } from 'vitest'
import { KuraError } from '#base/errors.ts'
import { memoryStorage } from '#repo/blob/memory.ts'
import { blobConfigId } from '#repo/format/blob-config.ts'
import { formatBlobId, parseFormatBlob, sealFormatBlob } from '#repo/format/format-blob.ts'
import type { RepositoryFormat } from '#repo/format/repository-format.ts'
import { createRepository } from '#repo/repository/create.ts'
import { openRepositoryDirectly } from '#repo/repository/open.ts'
import { fastKey } from '../../support/fast-key.ts'

const password = 'secret'

/** A repository whose format was written by somebody who knows the password, with anything in it. */
async function openWith(over: Partial<RepositoryFormat>, keyAlgorithm?: string) {
  const storage = memoryStorage()
  await createRepository(storage, { deriveKey: fastKey }, password)
  const sound = await openRepositoryDirectly(storage, password, { deriveKey: fastKey })
  const outer = parseFormatBlob(sound.formatBlob)
  const blob = sealFormatBlob({ ...sound.format, ...over }, { ...outer, keyAlgorithm: keyAlgorithm ?? outer.keyAlgorithm }, sound.formatKey)
  await storage.put(formatBlobId, [blob])
  return openRepositoryDirectly(storage, password, keyAlgorithm === undefined ? { deriveKey: fastKey } : {})
}

const epochs = {
  enabled: true,
  epochRefreshFrequencyNs: 0n,
  fullCheckpointFrequency: 0,
  cleanupSafetyMarginNs: -1n,
  minEpochDurationNs: 0n,
  epochAdvanceOnCountThreshold: -1,
  epochAdvanceOnTotalSizeBytesThreshold: 0,
  deleteParallelism: 0,
}

test.each<[string, Partial<RepositoryFormat>]>([
  ['packs of no size', { maxPackSizeBytes: -5 }],
  ['packs of any size', { maxPackSizeBytes: 1e300 }],
  ['packs of one byte', { maxPackSizeBytes: 1 }],
  ['epochs that end at once', { epochs }],
  ['epochs that go back in time', { epochs: { ...epochs, epochRefreshFrequencyNs: -(2n ** 62n) } }],
  ['error correction of a billion percent', { ecc: 'REED-SOLOMON-CRC32', eccOverheadPercent: 1e9 }],
  ['error correction of half a percent', { ecc: 'REED-SOLOMON-CRC32', eccOverheadPercent: 0.5 }],
])('a repository with %s can be written and read', async (_what, over) => {
  const repository = await openWith(over)
  const data = Buffer.alloc(200_000, 'data')
  const writer = repository.objects.createWriter({ prefix: '', splitter: '', compressor: '', metadataCompressor: '' })
  await writer.write(data)
  const id = await writer.finish()
  await repository.flush()
  expect((await repository.objects.readAll(id)).equals(data)).toBe(true)
  await repository.close()
})

test.each<[string, Partial<RepositoryFormat>]>([
  ['an unknown version', { version: 99 }],
  ['a version of no number', { version: -1 }],
  ['an unknown index version', { indexVersion: 7 as never }],
  ['an unknown hash', { hash: 'MD2' }],
  ['an unknown cipher', { encryption: 'ROT13' }],
  ['an unknown error correction', { ecc: 'PRAYER', eccOverheadPercent: 1 }],
  ['an unknown splitter', { splitter: 'AXE' }],
  ['no master key', { masterKey: Buffer.alloc(0) }],
  ['a feature that must be understood', { requiredFeatures: [{ feature: 'x', warn: false, message: '', url: '', upgradeToVersion: '' }] }],
])('a repository with %s is refused', async (_what, over) => {
  await expect(openWith(over)).rejects.toThrow(KuraError)
})

test('an unknown key derivation is refused, whatever it costs', async () => {
  for (const name of ['scrypt-2147483648-8-1', 'pbkdf2-sha256-999999999999', '', 'none'])
    await expect(openWith({}, name)).rejects.toThrow(KuraError)
})

test.each<[string, Buffer]>([
  ['nothing', Buffer.alloc(0)],
  ['noise', Buffer.alloc(3000, 0xc3)],
  ['a megabyte', Buffer.alloc(1 << 20, '{')],
  ['deep nesting', Buffer.alloc(60_000, '[')],
  ['a list', Buffer.from('[]')],
  ['an object with nothing in it', Buffer.from('{}')],
  ['no text in base64', Buffer.from('{"encryption":"AES256_GCM","encryptedBlockFormat":"***","uniqueID":7}')],
])('central blobs made of %s are refused', async (_what, bytes) => {
  for (const id of [formatBlobId, blobConfigId]) {
    const storage = memoryStorage()
    await createRepository(storage, { deriveKey: fastKey }, password)
    await storage.put(id, [bytes])
    await expect(openRepositoryDirectly(storage, password, { deriveKey: fastKey })).rejects.toThrow(KuraError)
  }
})
