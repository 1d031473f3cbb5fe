import { createHash } from 'node:crypto'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls'
import { StorageError } from '../errors.ts'
import { type HttpAgents, httpAgents } from '../http/agent.ts'

type Created = (error: Error | null, socket?: TLSSocket) => void

/** Connections to a server that is known by a certificate: one of those it presents has the SHA-256 `fingerprint` (hex); name, chain and
 *  dates are not looked at. Nothing is sent before that is certain. '' = the usual checks. Source: spec 04, 4.3.8. */
export function agentsTrusting(fingerprint: string): HttpAgents {
  if (fingerprint === '') return httpAgents()
  const http = new HttpAgent({ keepAlive: true })
  const https = new HttpsAgent({ keepAlive: true, maxSockets: 64, maxFreeSockets: 16 })
  const wanted = fingerprint.toLowerCase()
  const create = (options: object, created: Created): undefined => {
    const socket = connect({ ...options, rejectUnauthorized: false }, () => {
      socket.off('error', failed)
      if (presents(socket, wanted)) return created(null, socket)
      socket.destroy()
      created(new StorageError('the certificate of the server is not the trusted one. Somebody may be listening in, or it was renewed.'))
    })
    const failed = (error: Error): void => created(error)
    socket.once('error', failed)
  }
  Object.assign(https, { createConnection: create })
  return {
    http,
    https,
    close() {
      http.destroy()
      https.destroy()
    },
  }
}

function presents(socket: TLSSocket, wanted: string): boolean {
  const seen = new Set<DetailedPeerCertificate>()
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  while (certificate?.raw && !seen.has(certificate)) {
    if (createHash('sha256').update(certificate.raw).digest('hex') === wanted) return true
    seen.add(certificate)
    certificate = certificate.issuerCertificate
  }
  return false
}
