import { createHash } from 'node:crypto'
import type { S3Client } from '@aws-sdk/client-s3'
import { messageOf, UsageError } from '#base/errors.ts'
import { asObject, booleanOf, type JsonObject, stringOf } from '#base/json-read.ts'
import {
  BlobNotFoundError,
  BlobRangeError,
  CredentialsError,
  StorageError,
  TransientStorageError,
  UnsupportedOptionError,
} from '../errors.ts'
import { checkRange } from '../range.ts'
import type { BackendType, BlobExtras, BlobId, BlobInfo, BlobStorage, ByteRange, PutOptions } from '../storage.ts'
import { isTransientCode } from '../system-errors.ts'

const what = 'the s3 storage configuration'
const storageConfigId = '.storageconfig'

/** What is used of the `config` of an `s3` ConnectionInfo; `json` is all of it, as given. Source: spec 04, 4.3.2. */
export interface S3Options {
  readonly json: JsonObject
  readonly bucket: string
  readonly prefix: string
  readonly endpoint: string
  readonly region: string
  readonly plain: boolean
}

/** Blobs as objects of a bucket, each written by one PUT. Source: spec 04, 4.3.2. */
export const s3Backend: BackendType<S3Options> = {
  name: 's3',
  parse(given) {
    const json = asObject(given, what)
    const bucket = stringOf(json, 'bucket', what)
    if (bucket === '') throw new UsageError(`${what} has no bucket`)
    for (const name of ['roleARN', 'pointInTime', 'rootCA', 'webIdentityToken', 'webIdentityTokenFile'])
      if (stringOf(json, name, what) !== '') throw new UsageError(`${what}: "${name}" is not supported by this version`)
    if (booleanOf(json, 'doNotVerifyTLS', what)) throw new UsageError(`${what}: "doNotVerifyTLS" is not supported by this version`)
    return {
      json,
      bucket,
      prefix: stringOf(json, 'prefix', what),
      endpoint: stringOf(json, 'endpoint', what) || 's3.amazonaws.com',
      region: stringOf(json, 'region', what) || 'us-east-1',
      plain: booleanOf(json, 'doNotUseTLS', what),
    }
  },
  async open(options) {
    const { S3Client } = await import('@aws-sdk/client-s3')
    const accessKeyId = stringOf(options.json, 'accessKeyID', what)
    const secretAccessKey = stringOf(options.json, 'secretAccessKey', what)
    const sessionToken = stringOf(options.json, 'sessionToken', what)
    const hosted = /(?:^|\.)amazonaws\.com(?:\.cn)?$/.test(options.endpoint)
    const client = new S3Client({
      region: options.region,
      ...(options.endpoint === 's3.amazonaws.com' ? {} : { endpoint: `${options.plain ? 'http' : 'https'}://${options.endpoint}` }),
      forcePathStyle: !hosted || options.bucket.includes('.'),
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      ...(accessKeyId && secretAccessKey
        ? { credentials: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) } }
        : {}),
      requestHandler: { connectionTimeout: 10_000, socketTimeout: 60_000 },
    })
    return new S3Storage(options, client)
  },
}

class S3Storage implements BlobStorage {
  readonly backend = 's3'
  readonly extras: BlobExtras = {}
  readonly displayName: string
  readonly connection: { readonly type: string; readonly config: unknown }

  constructor(
    private readonly options: S3Options,
    private readonly client: S3Client,
  ) {
    this.displayName = `S3: ${options.endpoint} ${options.bucket}`
    this.connection = { type: 's3', config: options.json }
  }

  async get(id: BlobId, range?: ByteRange): Promise<Buffer> {
    if (range) checkRange(id, range)
    if (range?.length === 0) {
      const { sizeBytes } = await this.stat(id)
      if (range.offset > sizeBytes) throw new BlobRangeError(id, `there is no byte ${range.offset}`)
      return Buffer.alloc(0)
    }
    const { GetObjectCommand } = await import('@aws-sdk/client-s3')
    const span = range ? { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` } : {}
    try {
      const reply = await this.client.send(new GetObjectCommand({ ...this.target(id), ...span }))
      const data = Buffer.from((await reply.Body?.transformToByteArray()) ?? [])
      if (range && data.length !== range.length) throw new BlobRangeError(id, `wanted ${range.length} bytes, got ${data.length}`)
      return data
    } catch (error) {
      throw this.translate(error, `read blob ${id}`, id)
    }
  }

  async stat(id: BlobId): Promise<BlobInfo> {
    const { HeadObjectCommand } = await import('@aws-sdk/client-s3')
    try {
      const reply = await this.client.send(new HeadObjectCommand(this.target(id)))
      return { id, sizeBytes: reply.ContentLength ?? 0, modifiedMs: reply.LastModified?.getTime() ?? 0 }
    } catch (error) {
      throw this.translate(error, `look at blob ${id}`, id)
    }
  }

  async *list(prefix: BlobId): AsyncIterable<BlobInfo> {
    const { ListObjectsV2Command } = await import('@aws-sdk/client-s3')
    const start = this.options.prefix
    let token: string | undefined
    do {
      const input = { Bucket: this.options.bucket, Prefix: start + prefix, Delimiter: '/', ...(token ? { ContinuationToken: token } : {}) }
      const page = await this.client.send(new ListObjectsV2Command(input)).catch((error: unknown) => {
        throw this.translate(error, 'list blobs', prefix)
      })
      for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
        const id = Key.slice(start.length)
        if (id !== storageConfigId) yield { id, sizeBytes: Size, modifiedMs: LastModified?.getTime() ?? 0 }
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined
      if (page.IsTruncated && !token) throw new TransientStorageError(`the list of bucket ${this.options.bucket} ended too early`)
    } while (token)
  }

  async put(id: BlobId, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<BlobInfo> {
    if (options.onlyIfAbsent) throw new UnsupportedOptionError('s3', 'writing only what is absent')
    if (options.modifiedMs !== undefined) throw new UnsupportedOptionError('s3', 'setting modification times')
    if (options.retention) throw new UnsupportedOptionError('s3', 'retention in this version')
    const { PutObjectCommand } = await import('@aws-sdk/client-s3')
    const data = Buffer.concat(parts)
    const ContentMD5 = createHash('md5').update(data).digest('base64')
    const input = { ...this.target(id), Body: data, ContentLength: data.length, ContentType: 'application/x-kopia', ContentMD5 }
    try {
      await this.client.send(new PutObjectCommand(input))
    } catch (error) {
      throw this.translate(error, `write blob ${id}`, id)
    }
    return this.stat(id)
  }

  async delete(id: BlobId): Promise<void> {
    const { DeleteObjectCommand } = await import('@aws-sdk/client-s3')
    try {
      await this.client.send(new DeleteObjectCommand(this.target(id)))
    } catch (error) {
      const translated = this.translate(error, `delete blob ${id}`, id)
      if (!(translated instanceof BlobNotFoundError)) throw translated
    }
  }

  async close(): Promise<void> {
    this.client.destroy()
  }

  private target(id: BlobId): { Bucket: string; Key: string } {
    return { Bucket: this.options.bucket, Key: this.options.prefix + id }
  }

  private translate(error: unknown, verb: string, id: BlobId): unknown {
    if (error instanceof StorageError || error instanceof BlobRangeError) return error
    const { name = '', code, $metadata } = error as { name?: string; code?: string; $metadata?: { httpStatusCode?: number } }
    const status = $metadata?.httpStatusCode
    const at = `cannot ${verb} in bucket ${this.options.bucket} at ${this.options.endpoint}`
    const cause = { cause: error }
    if (name === 'NoSuchBucket') return new StorageError(`${at}: there is no such bucket. Check --bucket, --endpoint and --region.`, cause)
    if (status === 404) return new BlobNotFoundError(id, cause)
    if (status === 416) return new BlobRangeError(id, 'the service has no such range', cause)
    if (name === 'ExpiredToken') return new CredentialsError(`${at}: the provided token has expired. Connect again with a new one.`, cause)
    if (name === 'RequestTimeTooSkewed') return new StorageError(`${at}: the clocks differ too much. Set this machine's clock.`, cause)
    if (name === 'InvalidAccessKeyId' || name === 'SignatureDoesNotMatch')
      return new CredentialsError(`${at}: the keys are not accepted (${name}). Check --access-key and --secret-access-key.`, cause)
    if (status === 403) return new StorageError(`${at}: access denied. The keys need rights to list, read, write and delete there.`, cause)
    const passes =
      status === undefined ? isTransientCode(code) || name === 'TimeoutError' : status >= 500 || status === 429 || status === 408
    return passes ? new TransientStorageError(`${at}: ${messageOf(error)}`, cause) : new StorageError(`${at}: ${messageOf(error)}`, cause)
  }
}
