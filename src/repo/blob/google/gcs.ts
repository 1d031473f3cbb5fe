import { createHash, randomUUID } from 'node:crypto'
import { systemClock } from '#base/clock.ts'
import { UsageError } from '#base/errors.ts'
import { asObject, booleanOf, type JsonObject, stringOf } from '#base/json-read.ts'
import { BlobNotFoundError, BlobRangeError, TransientStorageError } from '../errors.ts'
import { HttpClient } from '../http/client.ts'
import { wrongLength } from '../http/failure.ts'
import { pointInTimeView } from '../point-in-time.ts'
import { pointInTimeMs } from '../point-in-time-option.ts'
import { checkRange } from '../range.ts'
import type { BackendType, BlobExtras, BlobId, BlobInfo, BlobStorage, ByteRange, PutOptions } from '../storage.ts'
import { timeEntry } from '../time-entry.ts'
import { patient } from '../wrap/patient.ts'
import { GoogleApi } from './api.ts'
import { googleAuthorization } from './credentials.ts'
import { gcsVersions, requireGcsVersions } from './gcs-versions.ts'
import { infoOf, type ObjectPage, objectFields } from './object-json.ts'

const what = 'the gcs storage configuration'

/** `config` of a `gcs` ConnectionInfo; `json` is all of it, as given. Source: spec 04, 4.3.4. */
export interface GcsOptions {
  readonly json: JsonObject
  readonly bucket: string
  readonly prefix: string
  readonly readOnly: boolean
  readonly atMs: number | undefined
}

/** Blobs as objects of a bucket of Google Cloud Storage, by its JSON interface. Source: spec 04, 4.3.4. */
export const gcsBackend: BackendType<GcsOptions> = {
  name: 'gcs',
  parse(given) {
    const json = asObject(given, what)
    const bucket = stringOf(json, 'bucket', what)
    if (bucket === '') throw new UsageError(`${what} has no bucket`)
    return {
      json,
      bucket,
      prefix: stringOf(json, 'prefix', what),
      readOnly: booleanOf(json, 'readOnly', what),
      atMs: pointInTimeMs(stringOf(json, 'pointInTime', what), what),
    }
  },
  async open(options) {
    const client = new HttpClient()
    try {
      return await opened(options, client)
    } catch (error) {
      client.close()
      throw error
    }
  },
}

async function opened(options: GcsOptions, client: HttpClient): Promise<BlobStorage> {
  const emulator = process.env['STORAGE_EMULATOR_HOST']
  const scope = `https://www.googleapis.com/auth/devstorage.${options.readOnly ? 'read_only' : 'full_control'}`
  // An emulator knows nobody, as for Google's own client.
  const authorize = emulator ? async () => ({}) : await googleAuthorization(options.json, what, scope, client)
  const base = emulator
    ? (/^https?:/.test(emulator) ? emulator : `http://${emulator}`).replace(/\/$/, '')
    : 'https://storage.googleapis.com'
  const api = new GoogleApi(client, authorize, `bucket ${options.bucket} of Google Cloud Storage`)
  const storage = new GcsStorage(options, api, base)
  for await (const _ of storage.list(`kopia-gcs-storage-initializing-${systemClock.nowNs()}`)) break
  if (options.atMs === undefined) return storage
  const source = gcsVersions(api, base, options, options.atMs, (id, version, range) => storage.read(id, range, version))
  await requireGcsVersions(api, base, options)
  return pointInTimeView(storage, source, options.atMs)
}

class GcsStorage implements BlobStorage {
  readonly backend = 'gcs'
  readonly extras: BlobExtras = { extendRetention: (id, _mode, periodNs) => this.extend(id, periodNs) }
  readonly displayName: string
  readonly connection: { readonly type: string; readonly config: unknown }

  constructor(
    private readonly options: GcsOptions,
    private readonly api: GoogleApi,
    private readonly base: string,
  ) {
    this.displayName = `GCS: ${options.bucket}`
    this.connection = { type: 'gcs', config: options.json }
  }

  get(id: BlobId, range?: ByteRange): Promise<Buffer> {
    return this.read(id, range)
  }

  /** `generation`: of an old version. */
  async read(id: BlobId, range?: ByteRange, generation = ''): Promise<Buffer> {
    if (range) checkRange(id, range)
    if (range?.length === 0) return this.nothing(id, range, generation)
    const span = range ? { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` } : undefined
    const url = this.objectUrl(id, { alt: 'media', ...(generation ? { generation } : {}) })
    const { status, headers, body } = await this.api.call({ method: 'GET', url, ...(span ? { headers: span } : {}) }, `read blob ${id}`, id)
    if (range && status !== 206 && body.length !== range.length) throw new BlobRangeError(id, 'the service ignored the range')
    if (range && body.length !== range.length) throw wrongLength(id, range, body.length, headers['content-range'])
    const wanted = headers['content-length']
    if (wanted !== undefined && Number(wanted) !== body.length)
      throw new TransientStorageError(`blob ${id} came with ${body.length} bytes of ${wanted}`)
    return body
  }

  async stat(id: BlobId): Promise<BlobInfo> {
    const json = await this.api.json({ method: 'GET', url: this.objectUrl(id, { fields: objectFields }) }, `look at blob ${id}`, id)
    return infoOf(json, this.options.prefix.length)
  }

  async *list(prefix: BlobId): AsyncIterable<BlobInfo> {
    const start = this.options.prefix
    let pageToken: string | undefined
    do {
      const query = {
        prefix: start + prefix,
        maxResults: '1000',
        fields: `nextPageToken,items(${objectFields})`,
        ...(pageToken ? { pageToken } : {}),
      }
      const url = `${this.base}/storage/v1/b/${encodeURIComponent(this.options.bucket)}/o?${new URLSearchParams(query)}`
      const page = (await patient('listing blobs', () => this.api.json({ method: 'GET', url }, 'list blobs'))) as ObjectPage
      for (const item of page.items ?? []) yield infoOf(item, start.length)
      pageToken = page.nextPageToken
    } while (pageToken)
  }

  async put(id: BlobId, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<BlobInfo> {
    const md5 = createHash('md5')
    for (const part of parts) md5.update(part)
    const entry = timeEntry(options.modifiedMs)
    const { retention } = options
    const resource = {
      name: this.options.prefix + id,
      contentType: 'application/x-kopia',
      md5Hash: md5.digest('base64'),
      ...(entry ? { metadata: { 'Kopia-Mtime': entry } } : {}),
      ...(retention && retention.periodNs !== 0n ? { retention: { mode: 'Locked', retainUntilTime: until(retention.periodNs) } } : {}),
    }
    const boundary = `kura-${randomUUID()}`
    const json = `--${boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n${JSON.stringify(resource)}\r\n`
    const head = `--${boundary}\r\nContent-Type: application/x-kopia\r\n\r\n`
    const body = [Buffer.from(json + head), ...parts, Buffer.from(`\r\n--${boundary}--\r\n`)]
    const query = new URLSearchParams({ uploadType: 'multipart', ...(options.onlyIfAbsent ? { ifGenerationMatch: '0' } : {}) })
    const url = `${this.base}/upload/storage/v1/b/${encodeURIComponent(this.options.bucket)}/o?${query}`
    const headers = { 'Content-Type': `multipart/related; boundary=${boundary}` }
    const call = { method: 'POST', url, headers, body }
    const reply = await this.api.json(call, `write blob ${id}`, options.onlyIfAbsent ? id : undefined)
    return { id, sizeBytes: parts.reduce((sum, part) => sum + part.length, 0), modifiedMs: Date.parse(String(reply['updated'])) || 0 }
  }

  async delete(id: BlobId): Promise<void> {
    try {
      await this.api.call({ method: 'DELETE', url: this.objectUrl(id) }, `delete blob ${id}`, id)
    } catch (error) {
      if (!(error instanceof BlobNotFoundError)) throw error
    }
  }

  async close(): Promise<void> {
    this.api.close()
  }

  private async extend(id: BlobId, periodNs: bigint): Promise<void> {
    const body = [Buffer.from(JSON.stringify({ retention: { mode: 'Locked', retainUntilTime: until(periodNs) } }))]
    const headers = { 'Content-Type': 'application/json' }
    await this.api.call({ method: 'PATCH', url: this.objectUrl(id), headers, body }, `extend the retention of blob ${id}`, id)
  }

  private async nothing(id: BlobId, range: ByteRange, generation: string): Promise<Buffer> {
    if (generation) return Buffer.alloc(0)
    const { sizeBytes } = await this.stat(id)
    if (range.offset > sizeBytes) throw new BlobRangeError(id, `there is no byte ${range.offset}`)
    return Buffer.alloc(0)
  }

  private objectUrl(id: BlobId, query: Readonly<Record<string, string>> = {}): string {
    const name = encodeURIComponent(this.options.prefix + id)
    const search = Object.keys(query).length > 0 ? `?${new URLSearchParams(query)}` : ''
    return `${this.base}/storage/v1/b/${encodeURIComponent(this.options.bucket)}/o/${name}${search}`
  }
}

/** End of a lock that begins now, in whole seconds (spec 04, 4.1.8). */
function until(periodNs: bigint): string {
  const seconds = Math.floor((systemClock.nowMs() + Number(periodNs / 1_000_000n)) / 1000)
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}
