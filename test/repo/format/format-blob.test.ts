import { describe, expect, it } from 'vitest'
import { CorruptFormatError, WrongPasswordError } from '#repo/format/errors.ts'
import { decodeInner, openFormatBlob, openWithFormatKey, parseFormatBlob, sealFormatBlob } from '#repo/format/format-blob.ts'
import { formatBlobVectors, hex } from '../crypto/vectors.ts'

describe('format blob', () => {
  it.each(formatBlobVectors.blobs)('opens "$name" and writes it back with every member', async (v) => {
    const bytes = Buffer.from(v['kopia.repository'])
    const { format, formatKey, outer } = await openFormatBlob(bytes, v.password)
    expect(formatKey.toString('hex')).toBe(v.formatKey)
    const again = sealFormatBlob({ ...format }, outer, formatKey)
    const plain = openWithFormatKey(formatKey, outer.uniqueId, parseFormatBlob(again).encryptedBlockFormat)
    expect(plain.toString()).toBe(v.inner)
    expect(openWithFormatKey(formatKey, outer.uniqueId, Buffer.from(v['kopia.blobcfg'], 'base64')).toString()).toBe(v.blobcfg)
  })

  it('refuses a wrong key, trailing text and oversize', () => {
    const text = formatBlobVectors.blobs[0]?.['kopia.repository'] as string
    expect(() => decodeInner(parseFormatBlob(Buffer.from(text)), hex('00'.repeat(32)))).toThrow(WrongPasswordError)
    expect(() => parseFormatBlob(Buffer.from(`${text}{}`))).toThrow(CorruptFormatError)
    expect(() => parseFormatBlob(Buffer.from(text + ' '.repeat(65000)))).toThrow(CorruptFormatError)
  })
})
