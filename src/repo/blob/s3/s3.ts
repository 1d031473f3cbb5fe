import { createHash } from 'node:crypto'
import type { ObjectLockRetentionMode, S3Client, StorageClass } from '@aws-sdk/client-s3'
import { systemClock } from '#base/clock.ts'
import { BlobNotFoundError, BlobRangeError, StorageError, TransientStorageError, UnsupportedOptionError } from '../errors.ts'
import { pointInTimeView } from '../point-in-time.ts'
import { checkRange } from '../range.ts'
import type { BackendType, BlobExtras, BlobId, BlobInfo, BlobStorage, ByteRange, PutOptions } from '../storage.ts'
import { patient } from '../wrap/patient.ts'
import { s3Client, serverTimeMs } from './client.ts'
import { s3Failure } from './failure.ts'
import { getObject, target } from './object.ts'
import { parseS3Options, type S3Options } from './options.ts'
import { type StorageClasses, storageClasses, storageConfigId } from './storage-config.ts'
import { requireVersions, s3Versions } from './versions.ts'

/** Blobs as objects of a bucket, each written by one PUT. Source: spec 04, 4.3.2. */
export const s3Backend: BackendType<S3Options> = {
  name: 's3',
  parse: parseS3Options,
  async open(options) {
    const client = await patient('opening the bucket', () =>
      s3Client(options).catch((error: unknown) => {
        throw s3Failure(error, options, 'look up the region')
      }),
    )
    try {
      return await opened(options, client)
    } catch (error) {
      client.destroy()
      throw error
    }
  },
}

async function opened(options: S3Options, client: S3Client): Promise<BlobStorage> {
  const bytes = await patient('opening the bucket', () => getObject(client, options, storageConfigId)).catch((error: unknown) => {
    if (error instanceof BlobNotFoundError) return undefined
    throw error
  })
  const storage = new S3Storage(options, client, storageClasses(bytes))
  if (options.atMs === undefined) return storage
  await requireVersions(client, options)
  return pointInTimeView(storage, s3Versions(client, options), options.atMs)
}

class S3Storage implements BlobStorage {
  readonly backend = 's3'
  readonly extras: BlobExtras = { extendRetention: (id, mode, periodNs) => this.extend(id, mode, periodNs) }
  readonly displayName: string
  readonly connection: { readonly type: string; readonly config: unknown }

  constructor(
    private readonly options: S3Options,
    private readonly client: S3Client,
    private readonly classOf: StorageClasses,
  ) {
    this.displayName = `S3: ${options.endpoint} ${options.bucket}`
    this.connection = { type: 's3', config: options.json }
  }

  async get(id: BlobId, range?: ByteRange): Promise<Buffer> {
    if (range) checkRange(id, range)
    if (range?.length !== 0) return getObject(this.client, this.options, id, range)
    const { sizeBytes } = await this.stat(id)
    if (range.offset > sizeBytes) throw new BlobRangeError(id, `there is no byte ${range.offset}`)
    return Buffer.alloc(0)
  }

  async stat(id: BlobId): Promise<BlobInfo> {
    const { HeadObjectCommand } = await import('@aws-sdk/client-s3')
    const reply = await this.try(`look at blob ${id}`, id, () => this.client.send(new HeadObjectCommand(target(this.options, id))))
    return { id, sizeBytes: reply.ContentLength ?? 0, modifiedMs: reply.LastModified?.getTime() ?? 0 }
  }

  async *list(prefix: BlobId): AsyncIterable<BlobInfo> {
    const { ListObjectsV2Command } = await import('@aws-sdk/client-s3')
    const { bucket, prefix: start } = this.options
    let token: string | undefined
    do {
      const input = { Bucket: bucket, Prefix: start + prefix, Delimiter: '/', ...(token ? { ContinuationToken: token } : {}) }
      const page = await patient('listing blobs', async () => {
        const got = await this.try('list blobs', undefined, () => this.client.send(new ListObjectsV2Command(input)))
        if (got.IsTruncated && !got.NextContinuationToken) throw new TransientStorageError(`the list of bucket ${bucket} ended too early`)
        return got
      })
      for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
        const id = Key.slice(start.length)
        if (id !== storageConfigId) yield { id, sizeBytes: Size, modifiedMs: LastModified?.getTime() ?? 0 }
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined
    } while (token)
  }

  async put(id: BlobId, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<BlobInfo> {
    if (options.onlyIfAbsent) throw new UnsupportedOptionError('s3', 'writing only what is absent')
    if (options.modifiedMs !== undefined) throw new UnsupportedOptionError('s3', 'setting modification times')
    const { PutObjectCommand } = await import('@aws-sdk/client-s3')
    const data = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts)
    const storageClass = this.classOf(id)
    const lock =
      options.retention && options.retention.periodNs !== 0n ? lockOf(options.retention.mode, options.retention.periodNs) : undefined
    const input = {
      ...target(this.options, id),
      Body: data,
      ContentLength: data.length,
      ContentType: 'application/x-kopia',
      ContentMD5: createHash('md5').update(data).digest('base64'),
      ...(storageClass ? { StorageClass: storageClass as StorageClass } : {}),
      ...(lock ? { ObjectLockMode: lock.mode, ObjectLockRetainUntilDate: lock.until } : {}),
    }
    const reply = await this.try(`write blob ${id}`, id, () => this.client.send(new PutObjectCommand(input)), false)
    const modifiedMs = serverTimeMs(reply)
    return Number.isNaN(modifiedMs) ? this.stat(id) : { id, sizeBytes: data.length, modifiedMs }
  }

  async delete(id: BlobId): Promise<void> {
    const { DeleteObjectCommand } = await import('@aws-sdk/client-s3')
    try {
      await this.try(`delete blob ${id}`, id, () => this.client.send(new DeleteObjectCommand(target(this.options, id))))
    } catch (error) {
      if (!(error instanceof BlobNotFoundError)) throw error
    }
  }

  async close(): Promise<void> {
    this.client.destroy()
  }

  private async extend(id: BlobId, mode: string, periodNs: bigint): Promise<void> {
    const { PutObjectRetentionCommand } = await import('@aws-sdk/client-s3')
    const lock = lockOf(mode, periodNs)
    const input = { ...target(this.options, id), Retention: { Mode: lock.mode, RetainUntilDate: lock.until } }
    await this.try(`extend the retention of blob ${id}`, id, () => this.client.send(new PutObjectRetentionCommand(input)))
  }

  /** `mayLack`: the blob itself can be what is missing. */
  private async try<T>(verb: string, id: BlobId | undefined, action: () => Promise<T>, mayLack = true): Promise<T> {
    try {
      return await action()
    } catch (error) {
      throw s3Failure(error, this.options, verb, mayLack ? id : undefined)
    }
  }
}

/** Mode and end of a lock that begins now. Throws StorageError for a mode that S3 does not have. */
function lockOf(mode: string, periodNs: bigint): { readonly mode: ObjectLockRetentionMode; readonly until: Date } {
  if (mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE')
    throw new StorageError(`"${mode}" is no retention mode of S3. Use GOVERNANCE or COMPLIANCE.`)
  const seconds = Math.floor((systemClock.nowMs() + Number(periodNs / 1_000_000n)) / 1000)
  return { mode, until: new Date(seconds * 1000) }
}
