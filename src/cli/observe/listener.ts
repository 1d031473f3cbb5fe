import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setTimeout as sleepFor } from 'node:timers/promises'
import { messageOf, UsageError } from '#base/errors.ts'
import { expose } from './exposition.ts'
import { allMetrics } from './families.ts'
import { type ProfileKind, ProfileRecorder } from './profiles.ts'

const maxProfileSeconds = 600
const defaultProfileSeconds = 30
const kinds: readonly ProfileKind[] = ['allocs', 'block', 'goroutine', 'heap', 'mutex', 'threadcreate']

/** Serves `/metrics` and, with `profiles`, `/debug/pprof/` on `host:port` over plain HTTP. Throws UsageError when it cannot listen there. */
export async function listen(address: string, profiles: boolean, words: readonly string[]): Promise<Server> {
  const colon = address.lastIndexOf(':')
  const port = Number(address.slice(colon + 1))
  if (colon < 0 || !/^\d+$/.test(address.slice(colon + 1)) || port > 65_535)
    throw new UsageError(`--metrics-listen-addr=${address}: it must be host:port`)
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  const server = createServer((request, reply) => {
    answer(request, reply, profiles, words).catch((error: unknown) => reply.destroy(error instanceof Error ? error : undefined))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new UsageError(`cannot serve metrics at ${address}: ${messageOf(error)}`, { cause: error })))
    server.listen({ port, ...(host === '' ? {} : { host }) }, resolve)
  })
  server.unref()
  return server
}

async function answer(request: IncomingMessage, reply: ServerResponse, profiles: boolean, words: readonly string[]): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://here')
  const send = (status: number, contentType: string, body: string | Buffer) =>
    reply
      .writeHead(status, { 'Content-Type': contentType, 'X-Content-Type-Options': 'nosniff' })
      .end(request.method === 'HEAD' ? undefined : body)
  if (request.method !== 'GET' && request.method !== 'HEAD') return void send(405, 'text/plain', 'only GET\n')
  if (pathname === '/metrics') {
    const wantsOpen = (request.headers.accept ?? '').includes('application/openmetrics-text')
    const { contentType, body } = expose(allMetrics(), wantsOpen ? 'open-metrics' : 'text')
    return void send(200, contentType, body)
  }
  const name = profiles ? /^\/debug\/pprof\/(\w*)$/.exec(pathname)?.[1] : undefined
  if (name === '') return void send(200, 'text/plain', `profiles: ${['profile', ...kinds].join(' ')}\n`)
  // Flags may hold passwords: only the words of the command are told.
  if (name === 'cmdline') return void send(200, 'text/plain', ['kura', ...words].join('\0'))
  if (name === 'symbol') return void send(200, 'text/plain', 'num_symbols: 0\n')
  const kind = name === 'profile' ? 'cpu' : kinds.find((k) => k === name)
  if (!kind) return void send(404, 'text/plain', 'not found\n')
  const seconds = Number(searchParams.get('seconds') ?? (kind === 'cpu' ? defaultProfileSeconds : 0))
  if (!(seconds >= 0 && seconds <= maxProfileSeconds)) return void send(400, 'text/plain', `seconds must be at most ${maxProfileSeconds}\n`)
  const recorder = await ProfileRecorder.start({ cpu: kind === 'cpu', others: kind !== 'cpu' })
  await sleepFor(seconds * 1000)
  send(200, 'application/octet-stream', (await recorder.stop()).get(kind) ?? '')
}
