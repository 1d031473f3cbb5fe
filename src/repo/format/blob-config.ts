import { messageOf } from '#base/errors.ts'
import { goJson, parseLosslessJson } from '#base/go-json.ts'
import { asObject, integerOf, stringOf } from '#base/json-read.ts'
import { DecryptionError } from '#repo/crypto/errors.ts'
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

/** Reads `kopia.blobcfg`. Throws CorruptFormatError when it does not decrypt or is not what it should be, also when it holds settings
 *  that must not be. Source: spec 01, 1.7. */
export function openBlobConfig(bytes: Uint8Array, formatKey: Uint8Array, uniqueId: Uint8Array): BlobRetention {
  let plain: Buffer
  try {
    plain = openWithFormatKey(formatKey, uniqueId, bytes)
  } catch (cause) {
    if (!(cause instanceof DecryptionError)) throw cause
    throw new CorruptFormatError(`${blobConfigId} does not decrypt; it is damaged, or belongs to another password`, { cause })
  }
  try {
    const json = asObject(parseLosslessJson(plain.toString('utf8')), blobConfigId)
    const mode = stringOf(json, 'retentionMode', blobConfigId) as BlobRetention['mode']
    const retention = { mode, periodNs: integerOf(json, 'retentionPeriod', blobConfigId) }
    checkRetention(retention)
    return retention
  } catch (cause) {
    throw new CorruptFormatError(`${blobConfigId} does not hold valid retention settings: ${messageOf(cause)}`, { cause })
  }
}

/** The bytes of `kopia.blobcfg`. Throws InvalidFormatError. Source: spec 01, 1.7. */
export function sealBlobConfig(retention: BlobRetention, formatKey: Uint8Array, uniqueId: Uint8Array, nonce?: Uint8Array): Buffer {
  checkRetention(retention)
  const json = { retentionMode: retention.mode || undefined, retentionPeriod: retention.periodNs || undefined }
  return sealWithFormatKey(formatKey, uniqueId, Buffer.from(goJson(json)), nonce)
}
