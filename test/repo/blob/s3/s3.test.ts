import { createServer } from 'node:http'
import { createServer as createTcpServer, type Socket } from 'node:net'
import { afterAll, expect, test } from 'vitest'
import { CredentialsError, StorageError, StorageFullError, TransientStorageError } from '#repo/blob/errors.ts'
import { s3Client } from '#repo/blob/s3/client.ts'
import { getObject } from '#repo/blob/s3/object.ts'
import { parseS3Options } from '#repo/blob/s3/options.ts'
import { s3Backend } from '#repo/blob/s3/s3.ts'
import { fakeService } from '../../../support/fake-service.ts'

const base = {
  bucket: 'b',
  endpoint: '127.0.0.1:1',
  region: 'r',
  accessKeyID: 'id',
  secretAccessKey: 'very-secret',
  doNotUseTLS: true,
  extra: 1,
}

/** A server that has no objects, and answers each write with the status and code in the key's name. */
const server = createServer((request, reply) => {
  request.resume()
  const [, status, code] = /\/(\d+)-(\w+)(?:\?|$)/.exec(request.url ?? '') ?? []
  reply.writeHead(Number(status ?? 404), { 'Content-Type': 'application/xml' })
  reply.end(`<?xml version="1.0"?><Error><Code>${code ?? 'NoSuchKey'}</Code><Message>said the server</Message></Error>`)
})
const port = new Promise<number>((resolve) => {
  server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
})
afterAll(() => server.close())
const open = async (extra: object = {}) =>
  s3Backend.open(s3Backend.parse({ ...base, endpoint: `127.0.0.1:${await port}`, ...extra }), false)

test('the configuration comes back as it was given, unknown members too', async () => {
  const storage = await open()
  expect(storage.connection).toEqual({ type: 's3', config: { ...base, endpoint: `127.0.0.1:${await port}` } })
  expect(storage.displayName).toBe(`S3: 127.0.0.1:${await port} b`)
  await storage.close()
})

test('a configuration without a bucket is refused', () => {
  expect(() => parseS3Options({ endpoint: 'x' })).toThrow('no bucket')
})

test.each([
  ['pointInTime', 'yesterday'],
  ['rootCA', 'AAAA'],
  ['endpoint', 'https://host/'],
  ['doNotUseTLS', 'yes'],
])('a wrong %s is refused', (name, value) => {
  expect(() => parseS3Options({ ...base, [name]: value })).toThrow(/S3 endpoint|s3 storage/)
})

test.each([
  ['1h30m0s', 5400],
  ['0s', 0],
  ['3600000000000', 3600],
  ['1_000_000_000', 1],
])('the duration of a role "%s" is %i s', (duration, seconds) => {
  expect(parseS3Options({ ...base, roleARN: 'arn', duration }).role?.durationSeconds).toBe(seconds)
})

test('the zero time is no point in time', () => {
  expect(parseS3Options({ ...base, pointInTime: '0001-01-01T00:00:00Z' }).atMs).toBeUndefined()
})

test('an error names bucket and endpoint, never the secret', async () => {
  const error = await s3Backend.open(s3Backend.parse(base), false).catch((e: unknown) => e as Error)
  expect(String(error)).toContain('bucket b at 127.0.0.1:1')
  expect(String(error)).not.toContain('very-secret')
})

test.each([
  ['503-SlowDown', TransientStorageError, true],
  ['500-InternalError', TransientStorageError, true],
  ['429-TooManyRequests', TransientStorageError, true],
  ['403-ExpiredToken', CredentialsError, false],
  ['403-SignatureDoesNotMatch', CredentialsError, false],
  ['403-AccessDenied', CredentialsError, false],
  ['403-RequestTimeTooSkewed', StorageError, false],
  ['403-QuotaExceeded', StorageFullError, false],
  ['507-InsufficientStorage', StorageFullError, false],
  ['404-NoSuchBucket', StorageError, false],
  ['301-PermanentRedirect', StorageError, false],
  ['400-InvalidArgument', StorageError, false],
])('%s is an error of the right kind', async (key, kind, again) => {
  const storage = await open()
  const error = (await storage.put(key, [Buffer.from('x')]).catch((e: unknown) => e)) as StorageError
  expect(error).toBeInstanceOf(kind)
  expect(error.retry).toBe(again)
  expect(error.message).toContain('cannot write blob')
  await storage.close()
})

test('a write is one request, and has the time that the server says', async () => {
  const service = await fakeService(({ method }) =>
    method === 'PUT' ? { headers: { Date: 'Thu, 02 Jan 2020 03:04:05 GMT', ETag: '"x"' } } : { status: 404 },
  )
  const storage = await open({ endpoint: new URL(service.url).host })
  const before = service.requests.length
  expect(await storage.put('a', [Buffer.from('xy')])).toEqual({ id: 'a', sizeBytes: 2, modifiedMs: Date.UTC(2020, 0, 2, 3, 4, 5) })
  expect(service.requests.slice(before).map((r) => r.method)).toEqual(['PUT'])
  await storage.close()
  await service.stop()
})

test.each([
  ['that never answers', ''],
  ['that stops in the middle of an answer', 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf'],
])('a service %s is given up after a time, and worth another try', async (_what, said) => {
  const sockets: Socket[] = []
  const silent = createTcpServer((socket) => void sockets.push(socket.on('data', () => socket.write(said)).on('error', () => undefined)))
  await new Promise<void>((resolve) => {
    silent.listen(0, '127.0.0.1', resolve)
  })
  const options = parseS3Options({ ...base, endpoint: `127.0.0.1:${(silent.address() as { port: number }).port}` })
  const client = await s3Client(options, 300)
  await expect(getObject(client, options, 'a')).rejects.toThrow(TransientStorageError)
  client.destroy()
  for (const socket of sockets) socket.destroy()
  silent.close()
})
