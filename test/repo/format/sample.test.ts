import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { parseFormatBlob, sealFormatBlob } from '#repo/format/format-blob.ts'
import { buildNewFormat } from '#repo/format/new-format.ts'
import { cryptoVectors, hex, seq } from '../crypto/vectors.ts'

it('writes the sample repository of the spec', () => {
  const format = buildNewFormat({ uniqueId: seq(0, 32), secret: seq(0x40, 32), masterKey: seq(0x60, 32) })
  const outer = { tool: '', buildVersion: '', buildInfo: '', uniqueId: format.uniqueId, keyAlgorithm: 'scrypt-65536-8-1', unknown: {} }
  const frame = parseFormatBlob(
    sealFormatBlob(format, outer, hex(cryptoVectors.keys['formatKey'] as string), seq(0xa0, 12)),
  ).encryptedBlockFormat
  expect(frame.length).toBe(607)
  expect(createHash('sha256').update(frame).digest('hex')).toBe('ae1c349d468ae9b708fd5cc1dab5659241213f6f94b4cfdc469470dd0ff4e699')
})
