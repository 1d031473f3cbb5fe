import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

export interface FakeRequest {
  readonly method: string
  /** Path, not decoded. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

export interface FakeReply {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly body?: Uint8Array | string
}

export interface FakeService {
  readonly url: string
  /** Requests that came, the oldest first. */
  readonly requests: FakeRequest[]
  stop(): Promise<void>
}

/** A server on loopback that answers by a function; `undefined` cuts the connection. */
export async function fakeService(answer: (request: FakeRequest) => FakeReply | undefined): Promise<FakeService> {
  const requests: FakeRequest[] = []
  const server = createServer(async (incoming, outgoing) => {
    const parts: Buffer[] = []
    for await (const part of incoming as AsyncIterable<Buffer>) parts.push(part)
    const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://localhost')
    const { method = '', headers } = incoming
    const request = { method, path: pathname, query: searchParams, headers, body: Buffer.concat(parts) }
    requests.push(request)
    const reply = answer(request)
    if (reply) send(outgoing, reply)
    else incoming.socket.destroy()
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  return {
    url,
    requests,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function send(outgoing: ServerResponse, { status = 200, headers = {}, json, body = '' }: FakeReply): void {
  const bytes = json === undefined ? Buffer.from(body) : Buffer.from(JSON.stringify(json))
  outgoing.writeHead(status, { 'Content-Length': String(bytes.length), ...headers })
  outgoing.end(bytes)
}

/** The bytes that a Range header asks for, with the status that says so; 416 when the range begins past the end. */
export function ranged(data: Buffer, header: string | undefined): FakeReply {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(header ?? '') ?? []
  if (from === undefined || to === undefined) return { body: data }
  if (Number(from) >= data.length) return { status: 416, json: { code: 'range_not_satisfiable', message: 'no such range' } }
  return { status: 206, body: data.subarray(Number(from), Number(to) + 1) }
}
