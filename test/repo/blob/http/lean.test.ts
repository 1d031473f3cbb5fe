import { createServer, type Server, type Socket } from 'node:net'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { TransientStorageError } from '#repo/blob/errors.ts'
import { LeanClient } from '#repo/blob/http/lean.ts'
import { LeanAnswer } from '#repo/blob/http/lean-answer.ts'

const text = (body: string, headers = `Content-Length: ${body.length}`, first = 'HTTP/1.1 200 OK') =>
  `${first}\r\n${headers}\r\n\r\n${body}`

describe('an answer', () => {
  test('is the same however it is cut into pieces', () => {
    const bytes = Buffer.from(
      text('some body\r\n\r\n!', 'ETag: "1"\r\ncontent-length:  14 \r\nX: a\r\nx: b', 'HTTP/1.1 206 Partial Content'),
    )
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: bytes.length })), (cuts) => {
        const answer = new LeanAnswer()
        let last: unknown
        const stops = [...new Set([...cuts, bytes.length])].sort((a, b) => a - b)
        for (const [i, stop] of stops.entries()) {
          expect(last).toBe(undefined)
          last = answer.push(bytes.subarray(stops[i - 1] ?? 0, stop))
        }
        const headers = { etag: '"1"', 'content-length': '14', x: 'a, b' }
        expect(last).toEqual({ status: 206, reason: 'Partial Content', headers, body: Buffer.from('some body\r\n\r\n!') })
      }),
    )
  })

  test.each([
    ['pieces of unknown length', text('', 'Transfer-Encoding: chunked')],
    ['no length', text('x', 'Server: y')],
    ['two lengths', text('x', 'Content-Length: 1\r\nContent-Length: 2')],
    ['no number as length', text('x', 'Content-Length: 1e3')],
    ['a length beyond all reason', text('x', 'Content-Length: 9999999999')],
    ['more than it said', text('more', 'Content-Length: 3')],
    ['a line that is no header', text('x', 'Content-Length: 1\r\n folded')],
    ['a head without end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}`],
    ['an older protocol', text('x', undefined, 'HTTP/1.0 200 OK')],
    ['a hint before the answer', text('', 'Link: x', 'HTTP/1.1 103 Early Hints')],
    ['no body by its status', text('', undefined, 'HTTP/1.1 204 No Content')],
    ['no HTTP', 'SSH-2.0-x\r\n\r\n'],
  ])('with %s is odd', (_what, bytes) => {
    expect(new LeanAnswer().push(Buffer.from(bytes))).toBe('odd')
  })

  test('of any bytes is odd, whole or not at its end, and never an exception', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void new LeanAnswer().push(bytes)))
  })
})

describe('a client', () => {
  let server: Server | undefined
  const sockets = new Set<Socket>()
  const heads: string[] = []
  afterEach(() => {
    for (const socket of sockets) socket.destroy()
    server?.close()
    heads.length = 0
  })
  /** Answers each request, by its number from 0. */
  async function serve(answer: (index: number, socket: Socket) => void): Promise<number> {
    server = createServer((socket) => {
      sockets.add(socket.on('error', () => undefined))
      socket.on('data', (data) => answer(heads.push(data.toString()) - 1, socket))
    })
    await new Promise<void>((resolve) => {
      server?.listen(0, '127.0.0.1', resolve)
    })
    return (server.address() as { port: number }).port
  }
  const place = (port: number, path = '/a?b=c') => ({
    plain: true,
    host: '127.0.0.1',
    port,
    path,
    headers: { Host: 'h', Range: 'bytes=0-1' },
  })
  const connections = () => new Promise<number>((resolve) => void server?.getConnections((_error, count) => resolve(count)))

  test('asks one connection again and again, and keeps what came apart', async () => {
    const port = await serve((i, socket) => socket.write(text(`body ${i}`)))
    const client = new LeanClient({}, 60_000)
    const first = await client.get(place(port))
    const second = await client.get(place(port))
    expect([first, second].map((answer) => String(answer?.body))).toEqual(['body 0', 'body 1'])
    expect(heads[0]).toBe('GET /a?b=c HTTP/1.1\r\nHost: h\r\nRange: bytes=0-1\r\n\r\n')
    expect(await connections()).toBe(1)
    client.close()
  })

  test('takes a new connection when the one that lay idle has ended, but asks only once more', async () => {
    const port = await serve((i, socket) => (i % 2 === 0 ? socket.write(text('x')) : socket.destroy()))
    const client = new LeanClient({}, 60_000)
    await client.get(place(port))
    // The second is lost with its connection, and sent again as the third.
    expect((await client.get(place(port)))?.status).toBe(200)
    expect(heads.length).toBe(3)
    client.close()
  })

  test('says how far an answer came that ended too early', async () => {
    const port = await serve((_i, socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'))
    await expect(new LeanClient({}, 60_000).get(place(port))).rejects.toThrow(/ended the connection after 4 of 10 bytes/)
    expect(heads.length).toBe(1)
  })

  test('gives up a connection on which nothing moves', async () => {
    const port = await serve(() => undefined)
    await expect(new LeanClient({}, 200).get(place(port))).rejects.toThrow(TransientStorageError)
  })

  test('leaves a server to others once it has sent something odd, but not for an odd error', async () => {
    const odd = (status: string) => text('', 'Transfer-Encoding: chunked', `HTTP/1.1 ${status}`)
    const port = await serve((i, socket) => socket.write(i === 0 ? odd('404 Not Found') : i === 1 ? text('x') : odd('200 OK')))
    const client = new LeanClient({}, 60_000)
    expect(await client.get(place(port))).toBe(undefined)
    expect((await client.get(place(port)))?.status).toBe(200)
    expect(await client.get(place(port))).toBe(undefined)
    expect(await client.get(place(port))).toBe(undefined)
    expect(heads.length).toBe(3)
    client.close()
  })

  test('sends nothing that could be read as two requests', async () => {
    const port = await serve((_i, socket) => socket.write(text('x')))
    const client = new LeanClient({}, 60_000)
    expect(await client.get({ ...place(port), headers: { Host: 'h\r\nX: y' } })).toBe(undefined)
    expect(await client.get(place(port, '/a HTTP/1.1'))).toBe(undefined)
    expect(heads).toEqual([])
  })

  test('does not keep a connection that the server is about to end', async () => {
    const port = await serve((_i, socket) => socket.write(text('x', 'Content-Length: 1\r\nConnection: close')))
    const client = new LeanClient({}, 60_000)
    for (let i = 0; i < 2; i++) expect((await client.get(place(port)))?.status).toBe(200)
    expect(sockets.size).toBeGreaterThanOrEqual(2)
  })
})
