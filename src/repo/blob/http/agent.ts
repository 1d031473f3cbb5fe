import { Agent as HttpAgent } from 'node:http'
import type { Agent as HttpsAgent } from 'node:https'
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
