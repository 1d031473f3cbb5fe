import { type LookupAddress, type LookupOptions, lookup } from 'node:dns'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'

type Found = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family: number) => void

/** Names below "localhost" are this machine, whatever the resolver says (RFC 6761, 6.3); all others go to the resolver. */
function lookupName(name: string, options: LookupOptions, found: Found): void {
  if (!/(?:^|\.)localhost$/i.test(name)) lookup(name, options, found)
  else if (options.all) found(null, [{ address: '127.0.0.1', family: 4 }], 4)
  else found(null, '127.0.0.1', 4)
}

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

const kept = { keepAlive: true, maxSockets: 64, maxFreeSockets: 16, lookup: lookupName } as const

/** Connections of one storage, kept open between requests. */
export function httpAgents({ ca, verify = true }: TlsOptions = {}): HttpAgents {
  const http = new HttpAgent(kept as object)
  const https = new HttpsAgent({ ...(kept as object), ...(ca ? { ca } : {}), rejectUnauthorized: verify })
  return {
    http,
    https,
    close() {
      http.destroy()
      https.destroy()
    },
  }
}
