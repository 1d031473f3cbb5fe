import type { PutOptions } from '#repo/blob/storage.ts'
import { blobConfigId, sealBlobConfig } from '#repo/format/blob-config.ts'
import { formatBlobId, parseFormatBlob, sealFormatBlob } from '#repo/format/format-blob.ts'
import type { BlobRetention, RepositoryFormat } from '#repo/format/repository-format.ts'
import type { DirectRepository } from './repository.ts'

/** Writes both central blobs anew, retention first. The caller drops the copies of them (forgetFormat); other clients notice within 15
 *  minutes. `formatKey`: of another password than the one in force. Throws the storage's errors. Source: spec 01, 1.10. */
export async function rewriteFormat(
  repository: DirectRepository,
  format: RepositoryFormat,
  retention: BlobRetention,
  formatKey: Buffer = repository.formatKey,
): Promise<void> {
  const outer = parseFormatBlob(repository.formatBlob)
  const puts: PutOptions = retention.mode === '' ? {} : { retention }
  await repository.blobs.put(blobConfigId, [sealBlobConfig(retention, formatKey, format.uniqueId)], puts)
  await repository.blobs.put(formatBlobId, [sealFormatBlob(format, outer, formatKey)], puts)
}
