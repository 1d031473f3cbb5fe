import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { azureClient } from '#repo/blob/azure/client.ts'
import { azureFailure } from '#repo/blob/azure/failure.ts'
import { parseAzureOptions } from '#repo/blob/azure/options.ts'
import { readBlob } from '#repo/blob/azure/read.ts'
import { servicePrincipal } from '#repo/blob/azure/service-principal.ts'
import { newestFirst, type VersionItem } from '#repo/blob/azure/versions.ts'
import { BlobNotFoundError, BlobRangeError, CredentialsError, StorageError, TransientStorageError } from '#repo/blob/errors.ts'
import { type FakeService, fakeService } from '../../../support/fake-service.ts'
import { scratchFolders } from '../../../support/scratch.ts'

const scratch = scratchFolders()
const base = { container: 'c', storageAccount: 'acc' }
let service: FakeService | undefined
afterEach(async () => {
  delete process.env['AZURE_AUTHORITY_HOST']
  await service?.stop()
  service = undefined
})

test.each([
  [{}, 'https://acc.blob.core.windows.net/'],
  [{ storageDomain: 'blob.localhost:10000', doNotUseTLS: true }, 'http://acc.blob.localhost:10000/'],
])('the service is found by account and domain: %j', (extra, url) => {
  expect(parseAzureOptions({ ...base, ...extra }).url).toBe(url)
})

test.each([{ container: '' }, { storageAccount: 'a/b' }, { storageDomain: 'x/y' }, { pointInTime: 'now' }])('%j is refused', (wrong) => {
  expect(() => parseAzureOptions({ ...base, ...wrong })).toThrow(/storage/)
})

test.each([
  [{ statusCode: 404, code: 'BlobNotFound' }, BlobNotFoundError],
  [{ statusCode: 404, details: { errorCode: 'BlobNotFound' } }, BlobNotFoundError],
  [{ statusCode: 416, code: 'InvalidRange' }, BlobRangeError],
  [{ statusCode: 404, code: 'ContainerNotFound' }, StorageError],
  [{ statusCode: 403, code: 'AuthenticationFailed' }, CredentialsError],
  [{ statusCode: 503, code: 'ServerBusy' }, TransientStorageError],
  [{ statusCode: 400, code: 'Md5Mismatch' }, TransientStorageError],
  [{ code: 'REQUEST_SEND_ERROR', cause: Object.assign(new Error('reset'), { code: 'ECONNRESET' }) }, TransientStorageError],
])('%j is an error of the right kind, without the signature', (error, kind) => {
  const failure = azureFailure(
    Object.assign(new Error('failed at https://x/?sv=1&sig=s3cret'), error),
    parseAzureOptions(base),
    'read',
    'id',
  )
  expect(failure).toBeInstanceOf(kind)
  expect(String(failure)).not.toContain('s3cret')
})

async function formFor(extra: object): Promise<URLSearchParams> {
  service = await fakeService(() => ({ json: { access_token: 'tok', expires_in: 60 } }))
  process.env['AZURE_AUTHORITY_HOST'] = service.url
  const token = await servicePrincipal(parseAzureOptions({ ...base, TenantID: 't1', ClientID: 'c1', ...extra }))?.()
  expect(token).toEqual({ value: 'tok', lifeSeconds: 60 })
  expect(service.requests[0]?.path).toBe('/t1/oauth2/v2.0/token')
  return new URLSearchParams(service.requests[0]?.body.toString())
}

test('a service principal proves itself by a secret', async () => {
  const form = await formFor({ ClientSecret: 's3cret' })
  expect(Object.fromEntries(form)).toEqual({
    grant_type: 'client_credentials',
    client_id: 'c1',
    client_secret: 's3cret',
    scope: 'https://storage.azure.com/.default',
  })
})

test('a service principal proves itself by a certificate', async () => {
  const [key, cert] = [join(scratch(), 'key'), join(scratch(), 'cert')]
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-subj', '/CN=me'], {
    stdio: 'ignore',
  })
  const form = await formFor({ clientCertificate: readFileSync(cert, 'utf8') + readFileSync(key, 'utf8') })
  const [head = '', claims = ''] = form.get('client_assertion')?.split('.') ?? []
  const decoded = (text: string) => JSON.parse(Buffer.from(text, 'base64url').toString())
  expect(decoded(head)).toMatchObject({ alg: 'RS256', x5t: expect.stringMatching(/^[\w-]{27}$/) })
  expect(decoded(claims)).toMatchObject({ iss: 'c1', sub: 'c1', aud: `${service?.url}/t1/oauth2/v2.0/token` })
})

test('a workload proves itself by the token in its file', async () => {
  const azureFederatedTokenFile = join(scratch(), 'token')
  writeFileSync(azureFederatedTokenFile, 'from-outside\n')
  expect((await formFor({ azureFederatedTokenFile })).get('client_assertion')).toBe('from-outside')
})

test('a principal that is refused is CredentialsError, without its secret', async () => {
  service = await fakeService(() => ({ status: 401, json: { error: 'invalid_client', error_description: 'AADSTS7000215: no.\r\nTrace' } }))
  process.env['AZURE_AUTHORITY_HOST'] = service.url
  const ask = servicePrincipal(parseAzureOptions({ ...base, TenantID: 't1', ClientID: 'c1', ClientSecret: 's3cret' }))
  const failure = await ask?.().catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(CredentialsError)
  expect(String(failure)).toMatch(/invalid_client: AADSTS7000215/)
  expect(String(failure)).not.toContain('s3cret')
})

test('versions come newest first, deletions with their time', async () => {
  const item = (name: string, versionId: string, extra: object = {}): VersionItem => ({
    ...{ name: `x/${name}`, versionId, properties: { contentLength: 1, lastModified: new Date(versionId) } },
    ...extra,
  })
  async function* found() {
    yield item('a', '2026-01-01T00:00:01Z')
    yield item('a', '2026-01-01T00:00:02Z', { metadata: { kopiamtime: '5000000' } })
    yield item('b', '2026-01-01T00:00:01Z')
    yield item('b', '2026-01-01T00:00:09Z', { hasVersionsOnly: true, properties: { lastModified: new Date('2026-01-01T00:00:01Z') } })
  }
  const seen = []
  for await (const { id, modifiedMs, deleted } of newestFirst(found(), 2)) seen.push([id, modifiedMs, deleted])
  expect(seen).toEqual([
    ['a', 5, false],
    ['a', Date.parse('2026-01-01T00:00:01Z'), false],
    ['b', Date.parse('2026-01-01T00:00:09Z'), true],
    ['b', Date.parse('2026-01-01T00:00:01Z'), false],
  ])
})

test.each([
  ['that never answers', ''],
  ['that stops in the middle of an answer', 'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 1000\r\n\r\nhalf'],
])('a service %s is given up after a time, and worth another try', async (_what, said) => {
  const sockets: Socket[] = []
  const silent = createServer((socket) => void sockets.push(socket.on('data', () => socket.write(said)).on('error', () => undefined)))
  await new Promise<void>((resolve) => {
    silent.listen(0, '127.0.0.1', resolve)
  })
  const { port } = silent.address() as { port: number }
  const options = { ...parseAzureOptions({ ...base, sasToken: 'sig=x' }), url: `http://127.0.0.1:${port}/` }
  const blob = (await azureClient(options, 300)).getBlobClient('a')
  await expect(readBlob(blob, options, 'a')).rejects.toThrow(TransientStorageError)
  for (const socket of sockets) socket.destroy()
  silent.close()
})
