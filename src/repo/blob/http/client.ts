import { type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { StorageError, TransientStorageError } from '../errors.ts'
import { type HttpAgents, httpAgents } from './agent.ts'
import { connectionError } from './failure.ts'

export interface HttpCall {
  readonly method: string
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: readonly Uint8Array[]
  /** What it is for, in messages: never the URL, which may carry secrets. */
  readonly what: string
}

export interface HttpReply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** A connection on which nothing moves is given up after this time. */
const idleMs = 60_000
/** Longest answer that is taken: packs and lists are far below. */
const maxReplyBytes = 1 << 30

/** Sends requests over kept connections. An answer of any status is a reply; no or half an answer is a StorageError. */
export class HttpClient {
  constructor(
    private readonly agents: HttpAgents = httpAgents(),
    private readonly idleTimeoutMs = idleMs,
  ) {}

  call(call: HttpCall): Promise<HttpReply> {
    const length = (call.body ?? []).reduce((sum, part) => sum + part.length, 0)
    const plain = call.url.startsWith('http:')
    const headers = { ...call.headers, ...(call.body || call.method !== 'GET' ? { 'Content-Length': String(length) } : {}) }
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) => reject(connectionError(error, call.what))
      const send = plain ? requestHttp : requestHttps
      const agent = plain ? this.agents.http : this.agents.https
      const request = send(call.url, { method: call.method, headers, agent }, (reply) => {
        readReply(reply).then(resolve, fail)
      })
      request.setTimeout(this.idleTimeoutMs, () =>
        request.destroy(new TransientStorageError(`${call.what}: nothing moved for ${this.idleTimeoutMs / 1000} s`)),
      )
      request.on('error', fail)
      for (const part of call.body ?? []) request.write(part)
      request.end()
    })
  }

  close(): void {
    this.agents.close()
  }
}

async function readReply(reply: IncomingMessage): Promise<HttpReply> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of reply as AsyncIterable<Buffer>) {
    length += part.length
    if (length > maxReplyBytes) throw new StorageError('the server sends more than can be right')
    parts.push(part)
  }
  return { status: reply.statusCode ?? 0, headers: reply.headers, body: parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts) }
}
