import { createServer, type IncomingMessage, request as requestHttp, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export interface SeenRequest {
  readonly method: string
  readonly url: string
  /** It asks for a part of something. */
  readonly ranged: boolean
  /** Position among all requests, from 0. */
  readonly index: number
}

/** What happens to one request. */
export type Fault =
  /** The connection ends after so many bytes of the answer's body. */
  | { readonly kind: 'cut answer'; readonly afterBytes: number }
  /** The connection ends after so many bytes of the request's body, which the server never sees. */
  | { readonly kind: 'cut request'; readonly afterBytes: number }
  /** The server does as it was told, but its answer is lost. */
  | { readonly kind: 'lose answer' }
  | { readonly kind: 'delay'; readonly ms: number }
  /** The server is asked when somebody says so. */
  | { readonly kind: 'hold'; readonly until: Promise<void> }
  /** The server is not asked. */
  | { readonly kind: 'status'; readonly status: number; readonly body: string }
  /** The answer comes in small pieces. */
  | { readonly kind: 'drip'; readonly pieceBytes: number; readonly everyMs: number }
  /** The answer is shorter than the server's, and says so itself: nothing in it shows that something is missing. */
  | { readonly kind: 'shorten'; readonly toBytes: number }

export interface FaultProxy {
  readonly port: number
  /** Decides on each request from now on; undefined = it passes. */
  plan: (request: SeenRequest) => Fault | undefined
  /** How many requests have met a fault. */
  readonly faults: () => number
  /** Resolves when no request is under way and none has come for so long: what a client does by itself is done. */
  quiet(ms: number): Promise<void>
  stop(): Promise<void>
}

/** Stands between a client and an HTTP server on loopback, and harms what passes as planned. */
export async function faultProxy(serverPort: number): Promise<FaultProxy> {
  let [count, met, running, lastMs] = [0, 0, 0, 0]
  const server = createServer((incoming, outgoing) => {
    const seen = { method: incoming.method ?? '', url: incoming.url ?? '', ranged: incoming.headers.range !== undefined, index: count++ }
    const fault = proxy.plan(seen)
    if (fault) met++
    running++
    outgoing.once('close', () => {
      running--
      lastMs = performance.now()
    })
    handle(incoming, outgoing, serverPort, fault).catch(() => outgoing.destroy())
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const proxy: FaultProxy = {
    port: (server.address() as { port: number }).port,
    plan: () => undefined,
    faults: () => met,
    async quiet(ms) {
      const begun = performance.now()
      while (running > 0 || performance.now() - Math.max(begun, lastMs) < ms) await sleep(ms / 10)
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return proxy
}

async function handle(incoming: IncomingMessage, outgoing: ServerResponse, port: number, fault: Fault | undefined): Promise<void> {
  const body: Buffer[] = []
  let length = 0
  for await (const part of incoming as AsyncIterable<Buffer>) {
    body.push(part)
    length += part.length
    if (fault?.kind === 'cut request' && length >= fault.afterBytes) return void incoming.socket.destroy()
  }
  if (fault?.kind === 'cut request') return void incoming.socket.destroy()
  if (fault?.kind === 'delay') await sleep(fault.ms)
  if (fault?.kind === 'hold') await fault.until
  if (fault?.kind === 'status') {
    outgoing.writeHead(fault.status, { 'Content-Type': 'application/xml' })
    return void outgoing.end(fault.body)
  }
  const { reply, bytes } = await forward(incoming, Buffer.concat(body), port)
  if (fault?.kind === 'lose answer') return void incoming.socket.destroy()
  const { 'transfer-encoding': _, connection: __, ...headers } = reply.headers
  const cut = fault?.kind === 'shorten' ? bytes.subarray(0, fault.toBytes) : bytes
  const isHead = incoming.method === 'HEAD'
  outgoing.writeHead(reply.statusCode ?? 502, isHead ? headers : { ...headers, 'content-length': String(cut.length) })
  if (fault?.kind === 'cut answer') {
    outgoing.write(cut.subarray(0, Math.min(fault.afterBytes, Math.max(cut.length - 1, 0))), () => incoming.socket.destroy())
    return
  }
  if (fault?.kind === 'drip')
    for (let at = 0; at < cut.length; at += fault.pieceBytes) {
      outgoing.write(cut.subarray(at, at + fault.pieceBytes))
      await sleep(fault.everyMs)
    }
  else if (!isHead) outgoing.write(cut)
  outgoing.end()
}

function forward(incoming: IncomingMessage, body: Buffer, port: number): Promise<{ reply: IncomingMessage; bytes: Buffer }> {
  return new Promise((resolve, reject) => {
    const { 'transfer-encoding': _, ...headers } = incoming.headers
    const options = { host: '127.0.0.1', port, method: incoming.method ?? 'GET', path: incoming.url ?? '/' }
    const request = requestHttp(
      { ...options, headers: { ...headers, 'content-length': String(body.length) }, agent: false },
      async (reply) => {
        const parts: Buffer[] = []
        for await (const part of reply as AsyncIterable<Buffer>) parts.push(part)
        resolve({ reply, bytes: Buffer.concat(parts) })
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}
