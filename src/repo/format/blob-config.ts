import { goJson } from '#base/go-json.ts'
import { asObject, integerOf, stringOf } from '#base/json-read.ts'
import { parseLosslessJson } from '#base/go-json.ts'
import { CorruptFormatError, InvalidFormatError } from './errors.ts'
import { openWithFormatKey, sealWithFormatKey } from './format-blob.ts'
import type { BlobRetention } from './repository-format.ts'

/** Name of the blob with the retention settings. */
export const blobConfigId = 'kopia.blobcfg'
export const noRetention: BlobRetention = { mode: '', periodNs: 0n }

/** Throws InvalidFormatError unless both or none are set and the period is at least a day (spec 01, 1.7). */
export function checkRetention({ mode, periodNs }: BlobRetention): void {
  if (!['', 'GOVERNANCE', 'COMPLIANCE'].includes(mode)) throw new InvalidFormatError(`invalid retention mode ${JSON.stringify(mode)}`)
  if ((mode === '') !== (periodNs === 0n)) throw new InvalidFormatError('retention mode and period must both be set or both be empty')
  if (mode !== '' && periodNs < 86_400_000_000_000n) throw new InvalidFormatError('the retention period must be at least 24 hours')
}

/** Reads `kopia.blobcfg`. Throws CorruptFormatError. Source: spec 01, 1.7. */
export function openBlobConfig(bytes: Uint8Array, formatKey: Uint8Array, uniqueId: Uint8Array): BlobRetention {
  try {
    const json = asObject(parseLosslessJson(openWithFormatKey(formatKey, uniqueId, bytes).toString('utf8')), blobConfigId)
    const mode = stringOf(json, 'retentionMode', blobConfigId) as BlobRetention['mode']
    return { mode, periodNs: integerOf(json, 'retentionPeriod', blobConfigId) }
  } catch (cause) {
    throw new CorruptFormatError('kopia.blobcfg does not decrypt; it is damaged, or belongs to another password', { cause })
  }
}

/** The bytes of `kopia.blobcfg`. Throws InvalidFormatError. Source: spec 01, 1.7. */
export function sealBlobConfig(retention: BlobRetention, formatKey: Uint8Array, uniqueId: Uint8Array, nonce?: Uint8Array): Buffer {
  checkRetention(retention)
  const json = { retentionMode: retention.mode || undefined, retentionPeriod: retention.periodNs || undefined }
  return sealWithFormatKey(formatKey, uniqueId, Buffer.from(goJson(json)), nonce)
}
