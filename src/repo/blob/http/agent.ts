import { Agent as HttpAgent } from 'node:http'
import type { Agent as HttpsAgent } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { ProxiedHttpsAgent } from './proxy.ts'

export interface TlsOptions {
  /** PEM certificates that replace the roots of the system. */
  readonly ca?: string
  /** False: any certificate of the server is accepted. */
  readonly verify?: boolean
}

export interface HttpAgents {
  readonly http: HttpAgent
  readonly https: HttpsAgent
  close(): void
}

const kept = { keepAlive: true, maxSockets: 64, maxFreeSockets: 16 } as const

/** Connections of one storage, kept open between requests. */
export function httpAgents({ ca, verify = true }: TlsOptions = {}): HttpAgents {
  const http = new HttpAgent(kept)
  const https = new ProxiedHttpsAgent({ ...kept, ...(ca ? { ca } : {}), rejectUnauthorized: verify })
  return {
    http,
    https,
    close() {
      http.destroy()
      https.destroy()
    },
  }
}

type Connected = (error: Error | null, socket?: Duplex) => void
type Create = (options: object, connected: Connected) => Duplex | undefined

/** Makes the connections of an agent end, with ETIMEDOUT, when nothing moves on them for `stallMs`: for clients that know no such limit. */
export function endStalled<A extends HttpAgent>(agent: A, stallMs: number): A {
  const watch = (socket: Duplex | undefined): Duplex | undefined => {
    const stalled = Object.assign(new Error(`nothing moved for ${stallMs / 1000} s`), { code: 'ETIMEDOUT' })
    return (socket as Socket | undefined)?.setTimeout(stallMs, () => socket?.destroy(stalled))
  }
  const maker = agent as unknown as { createConnection: Create }
  const create = maker.createConnection.bind(agent)
  maker.createConnection = (options, connected) => watch(create(options, (error, socket) => connected(error, watch(socket))))
  return agent
}
