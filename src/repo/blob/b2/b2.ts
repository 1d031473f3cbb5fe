import { createHash } from 'node:crypto'
import { UsageError } from '#base/errors.ts'
import { asObject, type JsonObject, memberOf, stringOf } from '#base/json-read.ts'
import { BlobNotFoundError, BlobRangeError, TransientStorageError, UnsupportedOptionError } from '../errors.ts'
import { HttpClient } from '../http/client.ts'
import { wrongLength } from '../http/failure.ts'
import { checkRange } from '../range.ts'
import type { BackendType, BlobExtras, BlobId, BlobInfo, BlobStorage, ByteRange, PutOptions } from '../storage.ts'
import { entryTimeMs, timeEntry } from '../time-entry.ts'
import { patient } from '../wrap/patient.ts'
import { B2Api, encodeName } from './api.ts'

const what = 'the b2 storage configuration'
const door = 'https://api.backblazeb2.com/b2api/v1'
const mtimeName = 'kopia-mtime'

/** `config` of a `b2` ConnectionInfo; `json` is all of it, as given. Source: spec 04, 4.3.5. */
export interface B2Options {
  readonly json: JsonObject
  readonly bucket: string
  readonly prefix: string
  readonly keyId: string
  readonly key: string
}

/** Blobs as files of a bucket of Backblaze B2, by its native interface. Source: spec 04, 4.3.5. */
export const b2Backend: BackendType<B2Options> = {
  name: 'b2',
  parse(given) {
    const json = asObject(given, what)
    const text = (name: string) => stringOf(json, name, what)
    const options = { json, bucket: text('bucket'), prefix: text('prefix'), keyId: text('keyID'), key: text('key') }
    if (options.bucket === '') throw new UsageError(`${what} has no bucket`)
    if (options.keyId === '' || options.key === '') throw new UsageError(`${what} needs a key and its ID`)
    return options
  },
  open: (options) => openB2(options, door),
}

/** Opens by another first door than Backblaze's own. */
export async function openB2(options: B2Options, firstDoor: string): Promise<BlobStorage> {
  const { bucket, keyId, key } = options
  const api = new B2Api(new HttpClient(), { bucket, keyId, key, door: firstDoor })
  try {
    await patient('opening the bucket', () => api.findBucket())
    return new B2Storage(options, api)
  } catch (error) {
    api.close()
    throw error
  }
}

class B2Storage implements BlobStorage {
  readonly backend = 'b2'
  readonly extras: BlobExtras = {}
  readonly displayName: string
  readonly connection: { readonly type: string; readonly config: unknown }

  constructor(
    private readonly options: B2Options,
    private readonly api: B2Api,
  ) {
    this.displayName = `B2: ${options.bucket}`
    this.connection = { type: 'b2', config: options.json }
  }

  async get(id: BlobId, range?: ByteRange): Promise<Buffer> {
    if (range) checkRange(id, range)
    if (range?.length === 0) {
      const { sizeBytes } = await this.stat(id)
      if (range.offset > sizeBytes) throw new BlobRangeError(id, `there is no byte ${range.offset}`)
      return Buffer.alloc(0)
    }
    const span = range ? `bytes=${range.offset}-${range.offset + range.length - 1}` : undefined
    const { headers, body } = await this.api.download(this.options.prefix + id, span, `read blob ${id}`, id)
    if (range && body.length !== range.length) throw wrongLength(id, range, body.length, headers['content-range'])
    const sha1 = String(headers['x-bz-content-sha1'] ?? '').replace('unverified:', '')
    if (!range && /^[0-9a-f]{40}$/.test(sha1) && createHash('sha1').update(body).digest('hex') !== sha1)
      throw new TransientStorageError(`blob ${id} was damaged on its way from B2`)
    return body
  }

  async stat(id: BlobId): Promise<BlobInfo> {
    const name = this.options.prefix + id
    const verb = `look at blob ${id}`
    const [newest] = filesOf(await this.api.call('b2_list_file_versions', { startFileName: name, maxFileCount: 1 }, verb, id))
    if (!newest || newest.name !== name || newest.action !== 'upload') throw new BlobNotFoundError(id)
    const json = await this.api.call('b2_get_file_info', { fileId: newest.fileId }, verb, id)
    const { sizeBytes, modifiedMs } = fileOf(json)
    return { id, sizeBytes, modifiedMs }
  }

  async *list(prefix: BlobId): AsyncIterable<BlobInfo> {
    const start = this.options.prefix
    let next: string | undefined = start + prefix
    while (next !== undefined) {
      const wanted: JsonObject = { startFileName: next, prefix: start + prefix, maxFileCount: 1000 }
      const page = await patient('listing blobs', () => this.api.call('b2_list_file_names', wanted, 'list blobs'))
      for (const { name, action, sizeBytes, modifiedMs } of filesOf(page))
        if (action === 'upload' && name.startsWith(start + prefix)) yield { id: name.slice(start.length), sizeBytes, modifiedMs }
      next = stringOf(page, 'nextFileName', 'the list of B2') || undefined
    }
  }

  async put(id: BlobId, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<BlobInfo> {
    if (options.onlyIfAbsent) throw new UnsupportedOptionError('b2', 'writing only what is absent')
    if (options.retention) throw new UnsupportedOptionError('b2', 'retention')
    const sha1 = createHash('sha1')
    for (const part of parts) sha1.update(part)
    const entry = timeEntry(options.modifiedMs)
    const headers = {
      'X-Bz-File-Name': encodeName(this.options.prefix + id),
      'Content-Type': 'b2/x-auto',
      'X-Bz-Content-Sha1': sha1.digest('hex'),
      ...(entry ? { [`X-Bz-Info-${mtimeName}`]: entry } : {}),
    }
    const json = await this.api.upload(headers, parts, `write blob ${id}`)
    const sizeBytes = parts.reduce((sum, part) => sum + part.length, 0)
    return { id, sizeBytes, modifiedMs: Number(memberOf(json, 'uploadTimestamp') ?? 0) }
  }

  async delete(id: BlobId): Promise<void> {
    try {
      await this.api.call('b2_hide_file', { fileName: this.options.prefix + id }, `delete blob ${id}`, id)
    } catch (error) {
      if (!(error instanceof BlobNotFoundError)) throw error
    }
  }

  async close(): Promise<void> {
    this.api.close()
  }
}

interface B2File {
  readonly fileId: string
  readonly name: string
  readonly action: string
  readonly sizeBytes: number
  readonly modifiedMs: number
}

function filesOf(page: JsonObject): B2File[] {
  const found = memberOf(page, 'files')
  return Array.isArray(found) ? found.map((each) => fileOf(asObject(each, 'a file of B2'))) : []
}

function fileOf(json: JsonObject): B2File {
  const info = asObject(memberOf(json, 'fileInfo'), 'a file of B2')
  const size = Number(memberOf(json, 'contentLength') ?? memberOf(json, 'size') ?? 0)
  return {
    fileId: stringOf(json, 'fileId', 'a file of B2'),
    name: stringOf(json, 'fileName', 'a file of B2'),
    action: stringOf(json, 'action', 'a file of B2'),
    sizeBytes: size,
    modifiedMs: entryTimeMs(stringOf(info, mtimeName, 'a file of B2') || undefined, Number(memberOf(json, 'uploadTimestamp') ?? 0)),
  }
}
