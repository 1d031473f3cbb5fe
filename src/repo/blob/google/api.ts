import { asObject, type JsonObject } from '#base/json-read.ts'
import {
  BlobExistsError,
  BlobNotFoundError,
  BlobRangeError,
  CredentialsError,
  StorageError,
  StorageFullError,
  TransientStorageError,
} from '../errors.ts'
import type { HttpCall, HttpClient, HttpReply } from '../http/client.ts'
import { statusError } from '../http/failure.ts'
import type { BlobId } from '../storage.ts'
import type { AuthorizationHeaders, Authorize } from './credentials.ts'

const slowDown = /rateLimitExceeded|backendError|internalError/i
const quotaUsed = /storageQuotaExceeded|teamDriveFileLimitExceeded|numChildrenInNonRootLimitExceeded|quotaExceeded/

/** Requests to one of Google's JSON services, with our authorization; failures as errors of ours. */
export class GoogleApi {
  constructor(
    private readonly client: HttpClient,
    private readonly authorize: Authorize,
    /** Names the place in messages. */
    private readonly place: string,
  ) {}

  /** An answer of 2xx. `verb`: what is tried; `id`: the blob, when it can be what is missing. */
  async call(call: Omit<HttpCall, 'what'>, verb: string, id?: BlobId): Promise<HttpReply> {
    const what = `cannot ${verb} in ${this.place}`
    const send = (authorization: AuthorizationHeaders) =>
      this.client.call({ ...call, headers: { ...authorization, 'User-Agent': 'kura', ...call.headers }, what })
    const authorization = await this.authorize()
    let reply = await send(authorization)
    // A token can be withdrawn before its time.
    const renewed = reply.status === 401 ? await this.authorize(authorization) : authorization
    if (renewed['Authorization'] !== authorization['Authorization']) reply = await send(renewed)
    if (reply.status < 200 || reply.status > 299) throw failureOf(reply, what, id)
    return reply
  }

  /** The JSON object of the answer. */
  async json(call: Omit<HttpCall, 'what'>, verb: string, id?: BlobId): Promise<JsonObject> {
    const { body } = await this.call(call, verb, id)
    try {
      return asObject(JSON.parse(body.toString('utf8')), 'the answer')
    } catch (error) {
      throw new TransientStorageError(`cannot ${verb} in ${this.place}: the answer is not a JSON object`, { cause: error })
    }
  }

  close(): void {
    this.client.close()
  }
}

function failureOf(reply: HttpReply, what: string, id: BlobId | undefined): Error {
  const { status } = reply
  const text = reply.body.subarray(0, 4000).toString('utf8')
  if (id !== undefined && status === 404) return new BlobNotFoundError(id)
  if (id !== undefined && status === 416) return new BlobRangeError(id, 'the service has no such range')
  if (id !== undefined && status === 412) return new BlobExistsError(id)
  if (quotaUsed.test(text) || status === 507)
    return new StorageFullError(`${what}: the quota is used up. Free some space or raise the quota, then try again.`)
  if (status === 403 && slowDown.test(text)) return new TransientStorageError(`${what}: the service asks to slow down`)
  if (status === 404) return new StorageError(`${what}: there is no such place. Check its name and the project.`)
  if (status === 401) return new CredentialsError(`${what}: the credentials are not accepted. Check the key file and this machine's clock.`)
  if (status === 403)
    return new CredentialsError(`${what}: access denied (${saidIn(text)}). The account needs rights to list, read, write and delete there.`)
  return statusError(status, `${what}: status ${status} ${saidIn(text)}`)
}

/** Message in the JSON of an error, one line. */
function saidIn(text: string): string {
  const found = /"message"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(text)?.[1]
  return (found ?? text).split('\n')[0]?.slice(0, 300) ?? ''
}
