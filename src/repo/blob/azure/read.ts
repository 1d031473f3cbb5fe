import type { BlobClient } from '@azure/storage-blob'
import { TransientStorageError } from '../errors.ts'
import { wrongLength } from '../http/failure.ts'
import type { BlobId, ByteRange } from '../storage.ts'
import { azureFailure } from './failure.ts'
import type { AzureOptions } from './options.ts'

/** Entry with a requested time; header and listing differ in the case of its name (spec 04, 4.1.5). */
export function mtimeOf(metadata: Readonly<Record<string, string>> | undefined): string | undefined {
  for (const [name, value] of Object.entries(metadata ?? {})) if (name.toLowerCase() === 'kopiamtime') return value
  return undefined
}

/** Bytes of a blob or of one of its versions. Throws the errors of BlobStorage.get. */
export async function readBlob(blob: BlobClient, options: AzureOptions, id: BlobId, range?: ByteRange): Promise<Buffer> {
  const count = range ? Math.max(range.length, 1) : undefined
  try {
    const reply = await blob.download(range?.offset ?? 0, count, { maxRetryRequests: 0 })
    const parts: Buffer[] = []
    for await (const part of reply.readableStreamBody ?? []) parts.push(part as Buffer)
    const data = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
    if (reply.contentLength !== undefined && reply.contentLength !== data.length)
      throw new TransientStorageError(`blob ${id} came with ${data.length} bytes of ${reply.contentLength}`)
    if (range?.length === 0) return Buffer.alloc(0)
    if (range && data.length !== range.length) throw wrongLength(id, range, data.length, reply.contentRange)
    return data
  } catch (error) {
    throw azureFailure(error, options, `read blob ${id}`, id)
  }
}
