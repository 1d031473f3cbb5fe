import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { memoryStorage } from '#repo/blob/memory.ts'
import { openContent } from '#repo/content/content-codec.ts'
import { parseContentId } from '#repo/content/content-id.ts'
import { CorruptPackError } from '#repo/content/errors.ts'
import { packTail } from '#repo/content/pack-finish.ts'
import { encodePostamble, paddingBytes, parsePostamble } from '#repo/content/pack-layout.ts'
import { PendingPack } from '#repo/content/pending-pack.ts'
import { recoverIndex } from '#repo/content/recover.ts'
import { newSessionId, sessionMarkerJson } from '#repo/content/session-marker.ts'
import { createCipher } from '#repo/crypto/cipher.ts'
import { createHasher } from '#repo/crypto/hash.ts'
import { sharedPath } from '../../support/shared.ts'

interface KopiaPack {
  readonly blob: string
  readonly secret: string
  readonly masterKey: string
  readonly hash: string
  readonly encryption: string
  readonly eccOverheadPercent: number
  readonly bytes: string
  readonly recoveryIv: string
  readonly recoveryOffset: number
  readonly recoveryLength: number
  readonly records: readonly {
    id: string
    pack: string
    offset: number
    packed: number
    original: number
    time: number
    version: number
    deleted: boolean
  }[]
  readonly contents: readonly { id: string; plainSha256: string }[]
  readonly repository: string
}

const vectors = JSON.parse(readFileSync(sharedPath('spec/vectors/packs.json'), 'utf8')) as {
  kopia: KopiaPack[]
  deterministic: { secret: string; masterKey: string; bytes: string; blob: string; contentID: string; time: number }
}

const cipherOf = (v: { masterKey: string; encryption?: string; eccOverheadPercent?: number }, nonce?: () => Uint8Array) =>
  createCipher(
    {
      encryption: v.encryption ?? 'AES256-GCM-HMAC-SHA256',
      masterKey: Buffer.from(v.masterKey, 'hex'),
      ecc: v.eccOverheadPercent ? 'REED-SOLOMON-CRC32' : '',
      eccOverheadPercent: v.eccOverheadPercent ?? 0,
    },
    nonce,
  )

describe.each(vectors.kopia)('the pack that Kopia wrote in $repository', (v) => {
  const bytes = Buffer.from(v.bytes, 'base64')

  test('has the postamble that the vectors state', () => {
    expect(parsePostamble(bytes)).toEqual({ iv: Buffer.from(v.recoveryIv, 'hex'), offset: v.recoveryOffset, length: v.recoveryLength })
  })

  test('gives up its recovery index and its contents', async () => {
    const storage = memoryStorage()
    await storage.put(v.blob, [bytes])
    const cipher = cipherOf(v)
    const rows = await recoverIndex(storage, cipher, v.blob)
    expect(rows.map((r) => [r.id, r.packBlob, r.packOffset, r.packedLength, r.timestampSeconds, r.deleted])).toEqual(
      v.records.map((r) => [r.id, r.pack, r.offset, r.packed, r.time, r.deleted]),
    )
    for (const { id, plainSha256 } of v.contents) {
      const row = rows.find((r) => r.id === id)
      if (!row) throw new Error(`${id} is missing`)
      const plain = await openContent(cipher, row, bytes.subarray(row.packOffset, row.packOffset + row.packedLength))
      expect(createHash('sha256').update(plain).digest('hex')).toBe(plainSha256)
    }
  })
})

test('the pack of chapter 2.9 is built byte for byte', async () => {
  const v = vectors.deterministic
  const hasher = await createHasher('BLAKE2B-256-128', Buffer.from(v.secret, 'hex'))
  const nonces = [Buffer.alloc(12, 0xd1), Buffer.alloc(12, 0xd2)]
  const cipher = cipherOf(v, () => nonces.shift() as Buffer)
  const id = parseContentId(hasher.digest(Buffer.from('hello')).toString('hex'))
  expect(id).toBe(v.contentID)
  const pack = new PendingPack(v.blob, 'p', [Buffer.alloc(32, 0xaa)])
  const sealed = cipher.seal(Buffer.from('hello'), Buffer.from(id, 'hex'))
  const record = {
    id,
    packBlob: v.blob,
    packOffset: pack.append(sealed),
    packedLength: sealed.length,
    originalLength: 5,
    timestampSeconds: v.time,
    deleted: false,
    compressionHeader: 0,
    formatVersion: 3,
    encryptionKeyId: 0,
  }
  const fill = [0xbb, 0xcc]
  const tail = packTail(pack.lengthBytes, [record], {
    hasher,
    cipher,
    indexVersion: 2,
    random: (size) => Buffer.alloc(size, fill.shift()),
  })
  const whole = Buffer.concat([...pack.parts, ...tail])
  expect(whole.equals(Buffer.from(v.bytes, 'base64'))).toBe(true)
})

test('the postamble of chapter 2.9 is written as stated', () => {
  const iv = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')
  const hex = '0110000102030405060708090a0b0c0d0e0f8020ac0248f26e221a'
  expect(encodePostamble({ iv, offset: 4096, length: 300 }).toString('hex')).toBe(hex)
})

test('postambles are read back, and no cut or flipped byte is taken for one', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 32 }), fc.nat(2 ** 30), fc.nat(2 ** 30), fc.nat(), (iv, offset, length, at) => {
      const postamble = { iv: Buffer.from(iv), offset, length }
      const bytes = encodePostamble(postamble)
      expect(parsePostamble(Buffer.concat([Buffer.alloc(50, 1), bytes]))).toEqual(postamble)
      const damaged = Buffer.from(bytes)
      damaged[at % bytes.length] = (damaged[at % bytes.length] as number) ^ 0x10
      expect(parsePostamble(damaged)).toBeUndefined()
      expect(parsePostamble(bytes.subarray(0, at % bytes.length))).toBeUndefined()
    }),
  )
})

test('padding is never empty and ends at a multiple of 4096', () => {
  expect([0, 1, 4095, 4096, 4097].map(paddingBytes)).toEqual([4096, 4095, 1, 4096, 4095])
})

test('a pack without a recovery index says so', async () => {
  const storage = memoryStorage()
  await storage.put('pbad', [Buffer.alloc(20_000)])
  await expect(recoverIndex(storage, cipherOf(vectors.deterministic), 'pbad')).rejects.toThrow(CorruptPackError)
})

test('session IDs end in the month number of chapter 2.6', () => {
  const id = (date: string) => newSessionId(Date.parse(date), () => Buffer.from('0123456789abcdef', 'hex'))
  expect(id('2024-01-01T00:00:00Z')).toBe('s0123456789abcdef124')
  expect(id('2026-01-01T00:00:00Z')).toBe('s0123456789abcdef13c')
  expect(id('2030-01-01T00:00:00Z')).toBe('s0123456789abcdef16d')
})

test('the session marker of chapter 2.9 has the stated name', async () => {
  const hasher = await createHasher('BLAKE2B-256-128', Buffer.from(vectors.deterministic.secret, 'hex'))
  const json = sessionMarkerJson('s0123456789abcdef13c', 1767225600_000_000_000n, { username: 'alice', hostname: 'box' })
  expect(hasher.digest(Buffer.from(json)).toString('hex')).toBe('4e2b77a645aacfe7d49008d2bfc09db5')
})
