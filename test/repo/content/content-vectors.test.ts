import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { compressContent, openContent } from '#repo/content/content-codec.ts'
import { hashOf, parseContentId } from '#repo/content/content-id.ts'
import { ContentWriteError, CorruptContentError } from '#repo/content/errors.ts'
import { parseIndex } from '#repo/content/index/parse.ts'
import { openBlob } from '#repo/crypto/blob-sealing.ts'
import { createCipher } from '#repo/crypto/cipher.ts'
import { createHasher } from '#repo/crypto/hash.ts'
import { sharedPath } from '../../support/shared.ts'

const read = (name: string) => JSON.parse(readFileSync(sharedPath('spec/vectors', name), 'utf8')) as unknown
const bytes = (text: string): Buffer => Buffer.from(text, 'base64')

interface ContentVector {
  readonly contentID: string
  readonly plaintext: string
  readonly compression: number
  readonly stored: string
}
interface Repository {
  readonly repository: string
  readonly hash: string
  readonly encryption: string
  readonly secret: string
  readonly masterKey: string
  readonly contents: readonly ContentVector[]
}

const record = (id: string, stored: Buffer, originalLength: number, compressionHeader: number) => ({
  id: parseContentId(id),
  packBlob: 'p',
  packOffset: 0,
  packedLength: stored.length,
  originalLength,
  timestampSeconds: 0,
  deleted: false,
  compressionHeader,
  formatVersion: 3,
  encryptionKeyId: 0,
})

describe.each((read('contents.json') as { vectors: Repository[] }).vectors)('contents of $repository', (v) => {
  test('have the stated IDs and open to the stated bytes', async () => {
    const hasher = await createHasher(v.hash, bytes(v.secret))
    const cipher = createCipher({ encryption: v.encryption, masterKey: bytes(v.masterKey), ecc: '', eccOverheadPercent: 0 })
    for (const c of v.contents) {
      const plain = bytes(c.plaintext)
      expect(hasher.digest(plain).equals(hashOf(parseContentId(c.contentID)))).toBe(true)
      const stored = bytes(c.stored)
      expect((await openContent(cipher, record(c.contentID, stored, plain.length, c.compression), stored)).equals(plain)).toBe(true)
      const damaged = Buffer.from(stored)
      damaged[damaged.length - 1] = (damaged[damaged.length - 1] as number) ^ 1
      await expect(openContent(cipher, record(c.contentID, damaged, plain.length, c.compression), damaged)).rejects.toThrow(
        CorruptContentError,
      )
    }
  })
})

interface KnownKeys {
  readonly hash: string
  readonly encryption: string
  readonly eccOverheadPercent?: number
  readonly contents: readonly { readonly name: string; readonly id: string; readonly stored: string; readonly plainSha256: string }[]
  readonly indexBlob: { readonly name: string; readonly bytes: string; readonly plain: string }
}
const masterKey = Buffer.from(Array.from({ length: 32 }, (_, i) => 0x60 + i))
const secret = Buffer.from(Array.from({ length: 32 }, (_, i) => 0x40 + i))

test.each((read('contents-known-keys.json') as { repositories: KnownKeys[] }).repositories)(
  'contents and index of a repository with $hash, $encryption and ECC $eccOverheadPercent open',
  async (v) => {
    const hasher = await createHasher(v.hash, secret)
    const ecc = { ecc: v.eccOverheadPercent ? 'REED-SOLOMON-CRC32' : '', eccOverheadPercent: v.eccOverheadPercent ?? 0 }
    const cipher = createCipher({ encryption: v.encryption, masterKey, ...ecc })
    const plain = openBlob(cipher, v.indexBlob.name, bytes(v.indexBlob.bytes))
    expect(plain.equals(bytes(v.indexBlob.plain))).toBe(true)
    const index = parseIndex(plain, cipher.overheadBytes)
    for (const c of v.contents) {
      const row = Array.from({ length: index.count }, (_, i) => index.at(i)).find(({ id }) => id === c.id)
      const stored = bytes(c.stored)
      const info = row ?? record(c.id, stored, 1 << 20, 0)
      const opened = await openContent(cipher, info, stored)
      expect(createHash('sha256').update(opened).digest('hex')).toBe(c.plainSha256)
      expect(hasher.digest(opened).equals(hashOf(parseContentId(c.id)))).toBe(true)
    }
  },
)

test('compression is kept only where it saves space, its header included', async () => {
  const id = parseContentId('00'.repeat(16))
  const random = Buffer.from(Array.from({ length: 64 }, (_, i) => (i * 167 + 31) % 256))
  expect(await compressContent(id, random, 0x1100, 2)).toEqual({ bytes: random, header: 0 })
  const zeros = await compressContent(id, Buffer.alloc(1000), 0x1100, 2)
  expect(zeros.header).toBe(0x1100)
  expect(Buffer.from(zeros.bytes).readUInt32BE(0)).toBe(0x1100)
})

test('without index version 2 data is refused compression and metadata is stored as it is', async () => {
  const data = Buffer.alloc(1000)
  await expect(compressContent(parseContentId('00'.repeat(16)), data, 0x1101, 1)).rejects.toThrow(ContentWriteError)
  expect((await compressContent(parseContentId(`m${'00'.repeat(16)}`), data, 0x1101, 1)).header).toBe(0)
})
