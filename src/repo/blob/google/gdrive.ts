import { setTimeout as sleepFor } from 'node:timers/promises'
import { systemClock } from '#base/clock.ts'
import { UsageError } from '#base/errors.ts'
import { asObject, booleanOf, type JsonObject, memberOf, stringOf } from '#base/json-read.ts'
import {
  BlobExistsError,
  BlobNotFoundError,
  BlobRangeError,
  StorageError,
  TransientStorageError,
  UnsupportedOptionError,
} from '../errors.ts'
import { HttpClient } from '../http/client.ts'
import { wrongLength } from '../http/failure.ts'
import { checkRange } from '../range.ts'
import type { BackendType, BlobExtras, BlobId, BlobInfo, BlobStorage, ByteRange, PutOptions } from '../storage.ts'
import { patient } from '../wrap/patient.ts'
import { GoogleApi } from './api.ts'
import { type Authorize, googleAuthorization } from './credentials.ts'
import { FileIds } from './file-ids.ts'

const what = 'the gdrive storage configuration'
const mimeType = 'application/x-kopia'
const fileFields = 'id,name,mimeType,size,modifiedTime'
/** Longest part of a name that Drive matches by its beginning. */
const maxQueriedPrefix = 26

/** `config` of a `gdrive` ConnectionInfo; `json` is all of it, as given. Source: spec 04, 4.3.6. */
export interface DriveOptions {
  readonly json: JsonObject
  readonly folderId: string
  readonly readOnly: boolean
}

/** Blobs as files of one folder of Google Drive. Source: spec 04, 4.3.6. */
export const gdriveBackend: BackendType<DriveOptions> = {
  name: 'gdrive',
  parse(given) {
    const json = asObject(given, what)
    const folderId = stringOf(json, 'folderID', what)
    if (!/^[\w-]+$/.test(folderId)) throw new UsageError(`${what} needs the ID of a folder, not "${folderId}"`)
    return { json, folderId, readOnly: booleanOf(json, 'readOnly', what) }
  },
  async open(options) {
    const client = new HttpClient()
    const scope = `https://www.googleapis.com/auth/drive.${options.readOnly ? 'readonly' : 'file'}`
    return openDrive(options, 'https://www.googleapis.com', client, await googleAuthorization(options.json, what, scope, client))
  },
}

/** Opens by any door that speaks Drive's protocol. Takes over the client. */
export async function openDrive(options: DriveOptions, base: string, client: HttpClient, authorize: Authorize): Promise<BlobStorage> {
  const api = new GoogleApi(client, authorize, `folder ${options.folderId} of Google Drive`)
  try {
    const storage = new DriveStorage(options, api, base, await capacityOf(api, base))
    for await (const _ of storage.list(`kopia-gdrive-storage-initializing-${systemClock.nowNs()}`)) break
    return storage
  } catch (error) {
    api.close()
    throw error
  }
}

type Capacity = NonNullable<BlobExtras['capacity']>

/** How to ask for the space; undefined when there is no limit, or the account may not ask. */
async function capacityOf(api: GoogleApi, base: string): Promise<Capacity | undefined> {
  const ask = async () => {
    const json = await api.json({ method: 'GET', url: `${base}/drive/v3/about?fields=storageQuota` }, 'look at the quota')
    const quota = asObject(memberOf(json, 'storageQuota'), 'the quota')
    const [limit, usage] = [BigInt(stringOf(quota, 'limit', 'the quota') || '0'), BigInt(stringOf(quota, 'usage', 'the quota') || '0')]
    return { totalBytes: limit, freeBytes: limit > usage ? limit - usage : 0n }
  }
  return ask().then(
    ({ totalBytes }) => (totalBytes > 0n ? ask : undefined),
    () => undefined,
  )
}

interface DriveFile extends BlobInfo {
  readonly fileId: string
}

class DriveStorage implements BlobStorage {
  readonly backend = 'gdrive'
  readonly extras: BlobExtras
  readonly displayName: string
  readonly connection: { readonly type: string; readonly config: unknown }
  private readonly known = new FileIds()

  constructor(
    private readonly options: DriveOptions,
    private readonly api: GoogleApi,
    private readonly base: string,
    capacity: Capacity | undefined,
  ) {
    this.extras = capacity ? { capacity } : {}
    this.displayName = `Google Drive: ${options.folderId}`
    this.connection = { type: 'gdrive', config: options.json }
  }

  async get(id: BlobId, range?: ByteRange): Promise<Buffer> {
    if (range) checkRange(id, range)
    if (range?.length === 0) {
      const { sizeBytes } = await this.stat(id)
      if (range.offset > sizeBytes) throw new BlobRangeError(id, `there is no byte ${range.offset}`)
      return Buffer.alloc(0)
    }
    const span = range ? { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` } : undefined
    const { headers, body } = await this.withFile(id, (fileId) => {
      const url = this.url(`files/${fileId}`, { alt: 'media' })
      return this.api.call({ method: 'GET', url, ...(span ? { headers: span } : {}) }, `read blob ${id}`, id)
    })
    if (range && body.length !== range.length) throw wrongLength(id, range, body.length, headers['content-range'])
    return body
  }

  async stat(id: BlobId): Promise<BlobInfo> {
    const json = await this.withFile(id, (fileId) =>
      this.api.json({ method: 'GET', url: this.url(`files/${fileId}`, { fields: fileFields }) }, `look at blob ${id}`, id),
    )
    const { sizeBytes, modifiedMs } = fileOf(json)
    return { id, sizeBytes, modifiedMs }
  }

  async *list(prefix: BlobId): AsyncIterable<BlobInfo> {
    const name = prefix === '' ? '' : ` and name contains '${quoted(prefix.slice(0, maxQueriedPrefix))}'`
    const seen = new Set<BlobId>()
    for await (const file of this.query(`'${this.options.folderId}' in parents${name} and mimeType = '${mimeType}' and trashed = false`)) {
      if (!file.id.startsWith(prefix) || this.known.wasRemoved(file.id, file.fileId) || seen.has(file.id)) continue
      seen.add(file.id)
      this.known.set(file.id, file.fileId)
      yield { id: file.id, sizeBytes: file.sizeBytes, modifiedMs: file.modifiedMs }
    }
    // Listings lag behind: what was made here lately is looked up by itself.
    for (const id of this.known.recentlyMade(prefix)) {
      if (seen.has(id)) continue
      const info = await patient(`looking at blob ${id}`, () => this.stat(id)).catch((error: unknown) => {
        if (error instanceof BlobNotFoundError) return undefined
        throw error
      })
      if (info) yield info
    }
  }

  async put(id: BlobId, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<BlobInfo> {
    if (options.retention) throw new UnsupportedOptionError('gdrive', 'retention')
    const known = await this.findFile(id, 1).catch((error: unknown) => {
      if (error instanceof BlobNotFoundError) return undefined
      throw error
    })
    if (known && options.onlyIfAbsent) throw new BlobExistsError(id)
    const time = options.modifiedMs === undefined ? {} : { modifiedTime: new Date(options.modifiedMs).toISOString() }
    const resource = known ? { mimeType, ...time } : { name: id, parents: [this.options.folderId], mimeType, ...time }
    try {
      const json = await this.upload(known, resource, parts, id)
      const file = fileOf(json)
      this.known.made(id, file.fileId)
      return { id, sizeBytes: parts.reduce((sum, part) => sum + part.length, 0), modifiedMs: file.modifiedMs }
    } catch (error) {
      // The file that was to be replaced is gone: the next try makes a new one.
      if (known && error instanceof BlobNotFoundError) {
        this.known.forget(id)
        throw new TransientStorageError(`cannot write blob ${id}: its file was removed meanwhile`, { cause: error })
      }
      throw error
    }
  }

  async delete(id: BlobId): Promise<void> {
    try {
      const fileId = await this.findFile(id, 1)
      await this.api.call({ method: 'DELETE', url: this.url(`files/${fileId}`) }, `delete blob ${id}`, id)
      this.known.removed(id, fileId)
    } catch (error) {
      if (!(error instanceof BlobNotFoundError)) throw error
      this.known.forget(id)
    }
  }

  async close(): Promise<void> {
    this.api.close()
  }

  /** A resumable upload in one piece: the session first, then the bytes. */
  private async upload(fileId: string | undefined, resource: JsonObject, parts: readonly Uint8Array[], id: BlobId): Promise<JsonObject> {
    const url = `${this.base}/upload/drive/v3/files${fileId ? `/${fileId}` : ''}?${query({ uploadType: 'resumable', fields: fileFields })}`
    const verb = `write blob ${id}`
    const missing = fileId ? id : undefined
    const headers = { 'Content-Type': 'application/json; charset=UTF-8', 'X-Upload-Content-Type': 'application/octet-stream' }
    const body = [Buffer.from(JSON.stringify(resource))]
    const session = await this.api.call({ method: fileId ? 'PATCH' : 'POST', url, headers, body }, verb, missing)
    const { location } = session.headers
    if (!location) throw new TransientStorageError(`cannot ${verb}: Google Drive named no place to upload to`)
    return this.api.json(
      { method: 'PUT', url: location, headers: { 'Content-Type': 'application/octet-stream' }, body: parts },
      verb,
      missing,
    )
  }

  /** Runs an action on a blob's file; when the file that we knew is gone, once more on the one that is there now. */
  private async withFile<T>(id: BlobId, action: (fileId: string) => Promise<T>): Promise<T> {
    const cached = this.known.get(id)
    if (cached === undefined) return action(await this.findFile(id))
    try {
      return await action(cached)
    } catch (error) {
      if (!(error instanceof BlobNotFoundError)) throw error
      this.known.forget(id)
      return action(await this.findFile(id))
    }
  }

  /** The file of a blob. A new one may need a moment to be seen. */
  private async findFile(id: BlobId, tries = 3): Promise<string> {
    const cached = this.known.get(id)
    if (cached !== undefined) return cached
    const wanted = `'${this.options.folderId}' in parents and name = '${quoted(id)}' and mimeType = '${mimeType}' and trashed = false`
    for (let left = tries; ; ) {
      const found: string[] = []
      for await (const { id: name, fileId } of this.query(wanted, 2))
        if (name === id && !this.known.wasRemoved(id, fileId)) found.push(fileId)
      const [fileId, second] = found
      if (second !== undefined) throw new StorageError(`folder ${this.options.folderId} has several files named ${id}. Remove all but one.`)
      if (fileId !== undefined) {
        this.known.set(id, fileId)
        return fileId
      }
      if (--left === 0) throw new BlobNotFoundError(id)
      await sleepFor(100)
    }
  }

  private async *query(q: string, pageSize = 1000): AsyncIterable<DriveFile> {
    let pageToken: string | undefined
    do {
      const search = { q, pageSize: String(pageSize), fields: `nextPageToken,files(${fileFields})`, includeItemsFromAllDrives: 'true' }
      const url = this.url('files', { ...search, ...(pageToken ? { pageToken } : {}) })
      const page = await patient('listing blobs', () => this.api.json({ method: 'GET', url }, 'list blobs'))
      const files = memberOf(page, 'files')
      for (const file of Array.isArray(files) ? files : []) yield fileOf(asObject(file, 'a file of Drive'))
      pageToken = stringOf(page, 'nextPageToken', 'the list of Drive') || undefined
    } while (pageToken)
  }

  private url(path: string, search: Readonly<Record<string, string>> = {}): string {
    return `${this.base}/drive/v3/${path}?${query(search)}`
  }
}

const query = (search: Readonly<Record<string, string>>): URLSearchParams => new URLSearchParams({ ...search, supportsAllDrives: 'true' })
const quoted = (text: string): string => text.replace(/[\\']/g, '\\$&')

const fileOf = (json: JsonObject): DriveFile => ({
  fileId: stringOf(json, 'id', 'a file of Drive'),
  id: stringOf(json, 'name', 'a file of Drive'),
  sizeBytes: Number(memberOf(json, 'size') ?? 0),
  modifiedMs: Date.parse(stringOf(json, 'modifiedTime', 'a file of Drive')) || 0,
})
