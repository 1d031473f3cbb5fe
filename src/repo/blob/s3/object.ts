import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3'
import { TransientStorageError } from '../errors.ts'
import { wrongLength } from '../http/failure.ts'
import type { BlobId, ByteRange } from '../storage.ts'
import { s3Failure } from './failure.ts'
import { WholeBody } from './lean-handler.ts'
import type { S3Options } from './options.ts'

/** Bytes of an object, or of one of its versions. Throws the errors of BlobStorage.get. */
export async function getObject(client: S3Client, options: S3Options, id: BlobId, range?: ByteRange, version?: string): Promise<Buffer> {
  const { GetObjectCommand } = await import('@aws-sdk/client-s3')
  const span = range ? { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` } : {}
  try {
    const input = { ...target(options, id), ...span, ...(version ? { VersionId: version } : {}) }
    const reply = await client.send(new GetObjectCommand(input))
    const data = await bytesOf(reply.Body)
    if (range && data.length !== range.length) throw wrongLength(id, range, data.length, reply.ContentRange)
    if (reply.ContentLength !== undefined && reply.ContentLength !== data.length)
      throw new TransientStorageError(`blob ${id} came with ${data.length} bytes of ${reply.ContentLength}`)
    return data
  } catch (error) {
    throw s3Failure(error, options, `read blob ${id}`, id)
  }
}

async function bytesOf(body: GetObjectCommandOutput['Body']): Promise<Buffer> {
  if (body instanceof WholeBody) return body.bytes
  const bytes = (await body?.transformToByteArray()) ?? new Uint8Array()
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** Where a blob lies. */
export const target = (options: S3Options, id: BlobId): { Bucket: string; Key: string } => ({
  Bucket: options.bucket,
  Key: options.prefix + id,
})
