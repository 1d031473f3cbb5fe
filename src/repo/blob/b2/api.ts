import { asObject, type JsonObject, memberOf, stringOf } from '#base/json-read.ts'
import { BlobNotFoundError, BlobRangeError, CredentialsError, StorageError, StorageFullError, TransientStorageError } from '../errors.ts'
import type { HttpCall, HttpClient, HttpReply } from '../http/client.ts'
import { statusError } from '../http/failure.ts'
import type { BlobId } from '../storage.ts'

/** Where a login leads, and its token. */
interface Session {
  readonly accountId: string
  readonly token: string
  readonly apiUrl: string
  readonly downloadUrl: string
  /** Bucket that the key is bound to, if it is. */
  readonly allowed: { readonly bucketId: string; readonly bucketName: string }
}

/** A place to upload to, for one upload at a time. */
interface UploadPlace {
  readonly url: string
  readonly token: string
}

export interface B2Place {
  readonly bucket: string
  readonly keyId: string
  readonly key: string
  /** URL of the service's first door, with the version. */
  readonly door: string
}

const asText = (json: JsonObject, name: string): string => stringOf(json, name, 'the answer of B2')

/** B2's native interface, version 1: one login, renewed when it runs out. Source: Backblaze, "B2 Native API". */
export class B2Api {
  private session: Promise<Session> | undefined
  private bucketId: Promise<string> | undefined
  private readonly uploadPlaces: UploadPlace[] = []

  constructor(
    private readonly client: HttpClient,
    private readonly place: B2Place,
  ) {}

  /** Calls an operation on the bucket, as `bucketId` in the body says. */
  async call(operation: string, body: JsonObject, verb: string, id?: BlobId): Promise<JsonObject> {
    const bucketId = await this.findBucket()
    return this.post(operation, { bucketId, ...body }, verb, id)
  }

  /** Bytes of a file by its name. */
  async download(name: string, range: string | undefined, verb: string, id: BlobId): Promise<HttpReply> {
    return this.loggedIn((session) =>
      this.send(
        {
          method: 'GET',
          url: `${session.downloadUrl}/file/${encodeURIComponent(this.place.bucket)}/${encodeName(name)}`,
          headers: { Authorization: session.token, ...(range ? { Range: range } : {}) },
        },
        verb,
        id,
      ),
    )
  }

  /** Uploads a file. A place that has failed is not used again, and the next try asks for another. */
  async upload(headers: Readonly<Record<string, string>>, body: readonly Uint8Array[], verb: string): Promise<JsonObject> {
    const place = this.uploadPlaces.pop() ?? (await this.newUploadPlace(verb))
    try {
      const reply = await this.send({ method: 'POST', url: place.url, headers: { Authorization: place.token, ...headers }, body }, verb)
      this.uploadPlaces.push(place)
      return jsonOf(reply, verb)
    } catch (error) {
      if (error instanceof ExpiredTokenError)
        throw new TransientStorageError(`cannot ${verb}: the upload token has expired`, { cause: error })
      throw error
    }
  }

  /** The bucket's ID. Throws StorageError when there is no such bucket for this key. */
  findBucket(): Promise<string> {
    this.bucketId ??= this.lookUpBucket().catch((error: unknown) => {
      this.bucketId = undefined
      throw error
    })
    return this.bucketId
  }

  close(): void {
    this.client.close()
  }

  private async lookUpBucket(): Promise<string> {
    const { bucket } = this.place
    const { allowed, accountId } = await this.login()
    if (allowed.bucketId && allowed.bucketName === bucket) return allowed.bucketId
    const json = await this.post('b2_list_buckets', { accountId, bucketName: bucket }, 'find the bucket')
    const found = memberOf(json, 'buckets')
    for (const each of Array.isArray(found) ? found : []) {
      const candidate = asObject(each, 'a bucket')
      if (asText(candidate, 'bucketName') === bucket) return asText(candidate, 'bucketId')
    }
    throw new StorageError(`there is no bucket ${bucket} on B2 for this key. Check --bucket and the rights of the key.`)
  }

  private async newUploadPlace(verb: string): Promise<UploadPlace> {
    const json = await this.call('b2_get_upload_url', {}, verb)
    return { url: asText(json, 'uploadUrl'), token: asText(json, 'authorizationToken') }
  }

  private async post(operation: string, json: JsonObject, verb: string, id?: BlobId): Promise<JsonObject> {
    const body = [Buffer.from(JSON.stringify(json))]
    const reply = await this.loggedIn((session) =>
      this.send(
        { method: 'POST', url: `${session.apiUrl}/b2api/v1/${operation}`, headers: { Authorization: session.token }, body },
        verb,
        id,
      ),
    )
    return jsonOf(reply, verb)
  }

  /** Runs an action with the login; when that has run out, once more with a new one. */
  private async loggedIn<T>(action: (session: Session) => Promise<T>): Promise<T> {
    const used = this.login()
    try {
      return await action(await used)
    } catch (error) {
      if (!(error instanceof ExpiredTokenError)) throw error
      if (this.session === used) this.session = undefined
      return action(await this.login())
    }
  }

  private login(): Promise<Session> {
    this.session ??= this.authorize().catch((error: unknown) => {
      this.session = undefined
      throw error
    })
    return this.session
  }

  private async authorize(): Promise<Session> {
    const { keyId, key, door } = this.place
    const basic = Buffer.from(`${keyId}:${key}`).toString('base64')
    const call = { method: 'GET', url: `${door}/b2_authorize_account`, headers: { Authorization: `Basic ${basic}` } }
    const json = jsonOf(await this.send(call, 'log in'), 'log in')
    const allowed = asObject(memberOf(json, 'allowed'), 'the answer of B2')
    return {
      accountId: asText(json, 'accountId'),
      token: asText(json, 'authorizationToken'),
      apiUrl: asText(json, 'apiUrl'),
      downloadUrl: asText(json, 'downloadUrl'),
      allowed: { bucketId: asText(allowed, 'bucketId'), bucketName: asText(allowed, 'bucketName') },
    }
  }

  private async send(call: Omit<HttpCall, 'what'>, verb: string, id?: BlobId): Promise<HttpReply> {
    const what = `cannot ${verb} in bucket ${this.place.bucket} on B2`
    const reply = await this.client.call({ ...call, what })
    if (reply.status < 200 || reply.status > 299) throw failureOf(reply, what, id)
    return reply
  }
}

class ExpiredTokenError extends CredentialsError {}

/** Percent-encodes a file name, slashes kept. Source: Backblaze, "Native API: String Encoding". */
export const encodeName = (name: string): string => name.split('/').map(encodeURIComponent).join('/')

function jsonOf(reply: HttpReply, verb: string): JsonObject {
  try {
    return asObject(JSON.parse(reply.body.toString('utf8')), 'the answer')
  } catch (error) {
    throw new TransientStorageError(`cannot ${verb} on B2: the answer is not a JSON object`, { cause: error })
  }
}

/** An answer that is a failure, as an error of ours (spec 04, 4.3.5). */
function failureOf(reply: HttpReply, what: string, id: BlobId | undefined): Error {
  const { status } = reply
  const text = reply.body.subarray(0, 4000).toString('utf8')
  const code = /"code"\s*:\s*"(\w+)"/.exec(text)?.[1] ?? ''
  const message = /"message"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? ''
  const absent = code === 'already_hidden' || code === 'no_such_file' || (code === 'bad_request' && message.startsWith('Bad file'))
  if (id !== undefined && (status === 404 || (status === 400 && absent))) return new BlobNotFoundError(id)
  if (id !== undefined && status === 416) return new BlobRangeError(id, 'the service has no such range')
  if (code === 'expired_auth_token' || code === 'bad_auth_token')
    return new ExpiredTokenError(`${what}: the login has expired (${code}). Check --key-id and --key.`)
  if (/^(?:\w+_)?cap_exceeded$/.test(code))
    return new StorageFullError(`${what}: a cap of the account is reached (${message}). Raise it or free some space, then try again.`)
  if (status === 401) return new CredentialsError(`${what}: the key is not accepted (${code}). Check --key-id and --key.`)
  if (status === 403)
    return new CredentialsError(`${what}: access denied (${code}). The key needs rights to list, read, write and delete there.`)
  return statusError(status, `${what}: status ${status} ${code} ${message}`)
}
