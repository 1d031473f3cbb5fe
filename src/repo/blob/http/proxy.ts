import { type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent, type AgentOptions } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { StorageError, TransientStorageError } from '../errors.ts'

/** The proxy that the environment names for HTTPS to a host (`HTTPS_PROXY`, `NO_PROXY`, in either case), or undefined. */
export function proxyFor(host: string, env: NodeJS.ProcessEnv = process.env): URL | undefined {
  const named = env['HTTPS_PROXY'] || env['https_proxy']
  if (!named) return undefined
  for (const each of (env['NO_PROXY'] || env['no_proxy'] || '').split(',')) {
    const pattern = each
      .trim()
      .replace(/^\*?\./, '')
      .replace(/:\d+$/, '')
    if (pattern === '*' || (pattern !== '' && (host === pattern || host.endsWith(`.${pattern}`)))) return undefined
  }
  try {
    return new URL(/^\w+:\/\//.test(named) ? named : `http://${named}`)
  } catch (error) {
    throw new StorageError('HTTPS_PROXY is not the URL of a proxy, like http://host:3128', { cause: error })
  }
}

type Connected = (error: Error | null, socket?: Duplex) => void

/** Connections over TLS, through the proxy of the environment if it names one. Source: RFC 9110, 9.3.6 (CONNECT). */
export class ProxiedHttpsAgent extends Agent {
  constructor(options: AgentOptions) {
    super(options)
  }

  override createConnection(options: ConnectionOptions & { host: string; port: number }, connected: Connected): Duplex | undefined {
    const proxy = proxyFor(options.host)
    if (!proxy) return Reflect.apply(direct, this, [options, connected]) as Duplex
    tunnel(proxy, `${options.host}:${options.port}`).then(
      (socket) => {
        const { path: _, ...rest } = options
        connected(null, connectTls({ ...rest, socket, servername: options.servername ?? options.host }))
      },
      (error: Error) => connected(error),
    )
    return undefined
  }
}

const direct = (Agent.prototype as unknown as { createConnection: (...args: unknown[]) => unknown }).createConnection

/** A way through a proxy to `target` (host:port). */
function tunnel(proxy: URL, target: string): Promise<Socket> {
  const name = decodeURIComponent(proxy.username)
  const login = name
    ? { 'Proxy-Authorization': `Basic ${Buffer.from(`${name}:${decodeURIComponent(proxy.password)}`).toString('base64')}` }
    : {}
  const at = `cannot reach ${target} through the proxy ${proxy.hostname}:${proxy.port || 80}`
  return new Promise((resolve, reject) => {
    const options = { host: proxy.hostname, port: proxy.port || 80, method: 'CONNECT', path: target, headers: { Host: target, ...login } }
    const request = requestHttp({ ...options, agent: false, timeout: 10_000 })
    request.on('connect', (reply: IncomingMessage, socket: Socket) => {
      socket.setTimeout(0)
      if (reply.statusCode === 200) return resolve(socket)
      socket.destroy()
      reject(new StorageError(`${at}: it answers ${reply.statusCode}. Check HTTPS_PROXY.`))
    })
    request.on('timeout', () => request.destroy(new TransientStorageError(`${at}: it does not answer`)))
    request.on('error', (error) =>
      reject(error instanceof StorageError ? error : new TransientStorageError(`${at}: ${error.message}`, { cause: error })),
    )
    request.end()
  })
}
