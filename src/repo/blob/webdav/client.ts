import { CredentialsError, StorageError, StorageFullError, TransientStorageError } from '../errors.ts'
import { HttpClient, type HttpReply } from '../http/client.ts'
import { Authorization } from './authorization.ts'
import type { WebdavOptions } from './options.ts'
import { agentsTrusting } from './trust.ts'

export interface DavRequest {
  readonly method: string
  /** Relative to the storage's URL, joined by `/`; a folder's ends with `/`, the root is ''. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: readonly Uint8Array[]
}

/** Statuses that may pass: locked, conflicts of writers, too many requests (spec 04, 4.3.8). */
const transientStatuses = new Set([408, 409, 423, 429])

/** Requests to one WebDAV server, logged in as it asks for. */
export class DavClient {
  readonly #http: HttpClient
  readonly #authorization: Authorization
  readonly #base: URL

  constructor(options: WebdavOptions) {
    this.#base = new URL(options.url)
    this.#base.hash = ''
    this.#base.search = ''
    // Secrets in the URL would show up wherever it does.
    this.#authorization = new Authorization(
      options.username || decodeURIComponent(this.#base.username),
      options.password || decodeURIComponent(this.#base.password),
    )
    this.#base.username = ''
    this.#base.password = ''
    if (!this.#base.pathname.endsWith('/')) this.#base.pathname += '/'
    this.#http = new HttpClient(agentsTrusting(options.trustedServerCertificateFingerprint))
  }

  /** Absolute URL of a path, each segment percent-encoded. */
  urlOf(path: string): URL {
    return new URL(this.#base.pathname + path.split('/').map(encodeURIComponent).join('/'), this.#base)
  }

  /** One answer of whatever status but 401. Throws CredentialsError, and StorageError when there is no answer. */
  async send(request: DavRequest): Promise<HttpReply> {
    const url = this.urlOf(request.path)
    const target = url.pathname + url.search
    const what = `${request.method} ${url.href}`
    for (let attempt = 0; ; attempt++) {
      const authorization = this.#authorization.header(request.method, target)
      const reply = await this.#http.call({
        method: request.method,
        url: url.href,
        headers: { 'Accept-Encoding': 'identity', ...request.headers, ...(authorization ? { Authorization: authorization } : {}) },
        ...(request.body ? { body: request.body } : {}),
        what,
      })
      if (reply.status !== 401) return reply
      // Others may have learnt of a new nonce meanwhile.
      const moved = this.#authorization.header(request.method, target) !== undefined && authorization === undefined
      if (attempt >= 2 || !(this.#authorization.accept(reply.headers['www-authenticate'], authorization) || moved))
        throw new CredentialsError(`${this.#base.origin} does not accept the user name and password. Check them.`)
    }
  }

  /** An answer that is no success, as an error. */
  failure(request: DavRequest, reply: HttpReply): StorageError {
    const what = `${request.method} of ${this.urlOf(request.path).href} failed: the server answered ${reply.status}`
    if (reply.status === 507) return new StorageFullError(`${what}: it has no space left. Free some space or raise the quota.`)
    if (reply.status === 403) return new CredentialsError(`${what}: this user may not do that`)
    return transientStatuses.has(reply.status) || reply.status >= 500 ? new TransientStorageError(what) : new StorageError(what)
  }

  close(): void {
    this.#http.close()
  }
}
