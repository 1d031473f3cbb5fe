import { Readable } from 'node:stream'
import type { S3Client } from '@aws-sdk/client-s3'
import type { TlsOptions } from '../http/agent.ts'
import { LeanClient } from '../http/lean.ts'
import { proxyFor } from '../http/proxy.ts'

type Handler = S3Client['config']['requestHandler']
type Handled = Parameters<Handler['handle']>
type Answer = Awaited<ReturnType<Handler['handle']>>

/** A body that is all there. */
export class WholeBody extends Readable {
  constructor(readonly bytes: Buffer) {
    super()
  }

  override _read(): void {
    this.push(this.bytes)
    this.push(null)
  }
}

/** Lets a client of the SDK ask for objects by LeanClient; all else goes where it went. */
export function readLean(client: S3Client, tls: TlsOptions, stallMs: number): void {
  const usual = client.config.requestHandler
  const lean = new LeanClient(tls, stallMs)
  const handle = async (...[request, options]: Handled): Promise<Answer> => {
    const { method, protocol, hostname, port, path, query, headers } = request
    const plain = protocol === 'http:'
    // Lists come in pieces of unknown length.
    if (method !== 'GET' || query?.['x-id'] !== 'GetObject' || (!plain && proxyFor(hostname))) return usual.handle(request, options)
    const asked = {
      plain,
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      port: port ?? (plain ? 80 : 443),
      path: path + textOf(query),
      headers,
    }
    const answer = await lean.get(asked)
    if (!answer) return usual.handle(request, options)
    const { status: statusCode, reason, body } = answer
    return { response: { statusCode, reason, headers: { ...answer.headers }, body: new WholeBody(body) } } as Answer
  }
  const destroy = (): void => {
    lean.close()
    usual.destroy?.()
  }
  client.config.requestHandler = new Proxy(usual, {
    get: (target, name) => (name === 'handle' ? handle : name === 'destroy' ? destroy : Reflect.get(target, name, target)),
  })
}

/** A query as it was signed: RFC 3986, sorted by nobody, for the signature sorts it itself. */
function textOf(query: Handled[0]['query']): string {
  const parts = Object.entries(query ?? {}).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((each) => (each === null ? escaped(name) : `${escaped(name)}=${escaped(each)}`)),
  )
  return parts.length > 0 ? `?${parts.join('&')}` : ''
}

const escaped = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
