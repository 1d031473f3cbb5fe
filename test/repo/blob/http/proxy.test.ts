import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer as createPlain } from 'node:http'
import { createServer } from 'node:https'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { StorageError } from '#repo/blob/errors.ts'
import { httpAgents } from '#repo/blob/http/agent.ts'
import { HttpClient } from '#repo/blob/http/client.ts'
import { proxyFor } from '#repo/blob/http/proxy.ts'
import { scratchFolders } from '../../../support/scratch.ts'

const scratch = scratchFolders()
const portOf = (server: { address(): unknown }) => (server.address() as { port: number }).port
const tunnels: string[] = []
let ca = ''
let target: ReturnType<typeof createServer>
const proxy = createPlain().on('connect', (request, socket: Socket) => {
  tunnels.push(`${request.url} ${request.headers['proxy-authorization'] ?? ''}`)
  if (request.headers['proxy-authorization'] === undefined) return void socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
  const [host = '', port] = (request.url ?? '').split(':')
  const onward = connect(Number(port), host, () => {
    socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
    onward.pipe(socket).pipe(onward)
  })
  onward.on('error', () => socket.destroy())
  socket.on('error', () => onward.destroy())
})

beforeAll(async () => {
  const [key, cert] = [join(scratch(), 'key'), join(scratch(), 'cert')]
  const names = ['-subj', '/CN=x', '-addext', 'subjectAltName=IP:127.0.0.1']
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
  execFileSync('openssl', ['req', '-x509', ...curve, '-nodes', '-keyout', key, '-out', cert, ...names], { stdio: 'ignore' })
  ca = readFileSync(cert, 'utf8')
  target = createServer({ key: readFileSync(key), cert: ca }, (_, reply) => reply.end('through'))
  for (const server of [target, proxy])
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
})
afterEach(() => {
  delete process.env['HTTPS_PROXY']
  tunnels.length = 0
})
afterAll(() => {
  for (const server of [target, proxy]) {
    server.close()
    server.closeAllConnections()
  }
})

async function ask(): Promise<string> {
  const client = new HttpClient(httpAgents({ ca }))
  try {
    const { body } = await client.call({ method: 'GET', url: `https://127.0.0.1:${portOf(target)}/`, what: 'asking' })
    return body.toString()
  } finally {
    client.close()
  }
}

test('without a proxy in the environment the way is direct', async () => {
  expect(await ask()).toBe('through')
  expect(tunnels).toEqual([])
})

test('a proxy of the environment is gone through, with its login, and the certificate is still checked', async () => {
  process.env['HTTPS_PROXY'] = `http://me:p%40ss@127.0.0.1:${portOf(proxy)}`
  expect(await ask()).toBe('through')
  expect(tunnels).toEqual([`127.0.0.1:${portOf(target)} Basic ${Buffer.from('me:p@ss').toString('base64')}`])
  const good = ca
  ca = ''
  await expect(ask()).rejects.toThrow(/certificate is not trusted/)
  ca = good
})

test('a proxy that refuses is one clear line without its password', async () => {
  process.env['HTTPS_PROXY'] = `127.0.0.1:${portOf(proxy)}`
  const failure = await ask().catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(StorageError)
  expect(String(failure)).toMatch(/through the proxy 127.0.0.1:\d+: it answers 407/)
})

test.each([
  ['s3.amazonaws.com', '', true],
  ['s3.amazonaws.com', 'amazonaws.com', false],
  ['s3.amazonaws.com', '.amazonaws.com,localhost', false],
  ['s3.amazonaws.com', 'zonaws.com', true],
  ['localhost', 'localhost:443', false],
  ['anything', '*', false],
])('host %s with NO_PROXY=%s', (host, NO_PROXY, proxied) => {
  expect(proxyFor(host, { HTTPS_PROXY: 'http://p:1', NO_PROXY }) !== undefined).toBe(proxied)
})
