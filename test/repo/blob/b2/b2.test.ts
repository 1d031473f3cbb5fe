import { afterEach, expect, test } from 'vitest'
import { b2Backend, openB2 } from '#repo/blob/b2/b2.ts'
import { BlobNotFoundError, CredentialsError, StorageError, StorageFullError, TransientStorageError } from '#repo/blob/errors.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import { retrying } from '#repo/blob/wrap/retry.ts'
import { conformance, listed } from '../../../support/blob-conformance.ts'
import { type FakeB2, fakeB2 } from './fake-b2.ts'

const services: FakeB2[] = []
afterEach(async () => {
  for (const service of services.splice(0)) await service.stop()
})
const start = async (): Promise<FakeB2> => {
  const service = await fakeB2()
  services.push(service)
  return service
}
const config = { bucket: 'kura-test', keyID: 'id', key: 'secret' }
const open = async (service: FakeB2, extra: object = {}): Promise<BlobStorage> =>
  openB2(b2Backend.parse({ ...config, ...extra }), `${service.url}/b2api/v1`)
const cannot = { 'a put that must not replace is BlobExistsError and changes nothing': 'B2 storage does not support it (spec 04, 4.1.4)' }

conformance('b2', async () => open(await start()), cannot)
conformance('b2, with a prefix', async () => open(await start(), { prefix: 'deep/er ä/' }), cannot)

test('an expired login is renewed, for reads and for uploads', async () => {
  const service = await start()
  const storage = retrying({ sleep: async () => undefined })(await open(service))
  await storage.put('a', [Buffer.from('x')])
  service.expireTokens()
  expect((await storage.get('a')).toString()).toBe('x')
  service.expireTokens()
  await storage.put('b', [Buffer.from('y')])
  expect(await listed(storage, '')).toEqual(['a', 'b'])
  await storage.close()
})

test('a busy upload place is left for another one', async () => {
  const service = await start()
  const storage = await open(service)
  service.failNext('upload', { status: 503, json: { code: 'service_unavailable', message: 'no tomes available' } })
  await expect(storage.put('a', [Buffer.from('x')])).rejects.toThrow(TransientStorageError)
  await storage.put('a', [Buffer.from('x')])
  expect(service.requests.filter((r) => r.path.endsWith('b2_get_upload_url'))).toHaveLength(2)
  await storage.close()
})

test('a list goes on where its page ended', async () => {
  const service = await start()
  const storage = await open(service)
  const ids = Array.from({ length: 1001 }, (_, i) => `p${String(i).padStart(4, '0')}`)
  for (let at = 0; at < ids.length; at += 50) await Promise.all(ids.slice(at, at + 50).map((id) => storage.put(id, [])))
  expect(await listed(storage, 'p')).toEqual(ids)
  await storage.close()
})

test('damage on the way is noticed and read again', async () => {
  const service = await start()
  const storage = await open(service)
  await storage.put('a', [Buffer.from('good')])
  service.failNext('download', { body: 'evil', headers: { 'X-Bz-Content-Sha1': '0'.repeat(40) } })
  await expect(storage.get('a')).rejects.toThrow(TransientStorageError)
  expect((await storage.get('a')).toString()).toBe('good')
  await storage.close()
})

test('a wrong key is CredentialsError and does not appear in it', async () => {
  const failure = await open(await start(), { key: 'wr0ng-secret' }).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(CredentialsError)
  expect(String(failure)).not.toContain('wr0ng-secret')
})

test('a bucket that is not there is named', async () => {
  await expect(open(await start(), { bucket: 'other' })).rejects.toThrow(/no bucket other/)
})

test.each([
  ['upload', 403, 'cap_exceeded', StorageFullError],
  ['upload', 403, 'storage_cap_exceeded', StorageFullError],
  ['download', 403, 'download_cap_exceeded', StorageFullError],
  ['download', 403, 'transaction_cap_exceeded', StorageFullError],
  ['download', 403, 'access_denied', CredentialsError],
  ['upload', 401, 'unauthorized', CredentialsError],
  ['upload', 401, 'expired_auth_token', TransientStorageError],
  ['upload', 401, 'bad_auth_token', TransientStorageError],
  ['upload', 408, 'request_timeout', TransientStorageError],
  ['upload', 429, 'too_many_requests', TransientStorageError],
  ['download', 500, 'internal_error', TransientStorageError],
  ['download', 503, 'bad_request', TransientStorageError],
  ['download', 404, 'file_not_present', BlobNotFoundError],
  ['b2_list_file_versions', 400, 'no_such_file', BlobNotFoundError],
  ['upload', 400, 'bad_request', StorageError],
])('%s answered by %i %s is an error of the right kind', async (operation, status, code, kind) => {
  const service = await start()
  const storage = await open(service)
  await storage.put('a', [Buffer.from('x')])
  service.failNext(operation, { status, json: { status, code, message: 'said B2' } })
  const call = { upload: () => storage.put('b', []), download: () => storage.get('a') }[operation] ?? (() => storage.stat('a'))
  const failure = await call().catch((error: unknown) => error)
  expect((failure as Error).constructor).toBe(kind)
  expect(String(failure)).not.toContain('secret')
  await storage.close()
})

test.each(['expired_auth_token', 'bad_auth_token'])('a login that is refused as %s is renewed within the call', async (code) => {
  const service = await start()
  const storage = await open(service)
  await storage.put('a', [Buffer.from('x')])
  const logins = () => service.requests.filter((r) => r.path.endsWith('b2_authorize_account')).length
  const before = logins()
  service.failNext('download', { status: 401, json: { code, message: '' } })
  expect((await storage.get('a')).toString()).toBe('x')
  expect(logins()).toBe(before + 1)
  await storage.close()
})
