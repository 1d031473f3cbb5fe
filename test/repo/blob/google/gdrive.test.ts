import { afterEach, expect, test } from 'vitest'
import { BlobNotFoundError, CredentialsError, StorageError, StorageFullError, TransientStorageError } from '#repo/blob/errors.ts'
import { gdriveBackend, openDrive } from '#repo/blob/google/gdrive.ts'
import { HttpClient } from '#repo/blob/http/client.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import { conformance, listed } from '../../../support/blob-conformance.ts'
import { type FakeDrive, fakeDrive } from './fake-drive.ts'

const services: FakeDrive[] = []
afterEach(async () => {
  for (const service of services.splice(0)) await service.stop()
})
const start = async (limit = 0): Promise<FakeDrive> => {
  const service = await fakeDrive(limit)
  services.push(service)
  return service
}
const open = (service: FakeDrive, token = 'good'): Promise<BlobStorage> =>
  openDrive(gdriveBackend.parse({ folderID: 'folder1' }), service.url, new HttpClient(), async () => ({ Authorization: `Bearer ${token}` }))

conformance('gdrive', async () => open(await start()))
conformance('gdrive, known by another connection only', async () => {
  const service = await start()
  const [writer, reader] = [await open(service), await open(service)]
  // What one has written the other finds by its name.
  return Object.assign(Object.create(writer) as BlobStorage, {
    get: reader.get.bind(reader),
    stat: reader.stat.bind(reader),
    close: async () => {
      await Promise.all([writer.close(), reader.close()])
    },
  })
})

test('what was written here is listed though the service does not show it yet', async () => {
  const service = await start()
  const storage = await open(service)
  service.lag = true
  await storage.put('p1', [Buffer.from('x')])
  await storage.put('q1', [Buffer.from('x')])
  expect(await listed(storage, 'p')).toEqual(['p1'])
  await storage.delete('p1')
  expect(await listed(storage, 'p')).toEqual([])
  await storage.close()
})

test('prefixes longer than Drive matches are told apart', async () => {
  const service = await start()
  const long = 'p'.repeat(30)
  for (const name of [`${long}1`, `${long}2`, `${long.slice(0, 26)}x`]) service.add(name, name)
  const storage = await open(service)
  expect(await listed(storage, `${long}1`)).toEqual([`${long}1`])
  expect(await listed(storage, long.slice(0, 26))).toHaveLength(3)
  await storage.close()
})

test('a list of several pages is whole', async () => {
  const service = await start()
  for (let i = 0; i < 250; i++) service.add(`p${i}`, 'x')
  const storage = await open(service)
  expect(await listed(storage, 'p')).toHaveLength(250)
  await storage.close()
})

test('two files of one name are an error, not a guess', async () => {
  const service = await start()
  service.add('twice', '1')
  service.add('twice', '2')
  const storage = await open(service)
  await expect(storage.get('twice')).rejects.toThrow(/several files named twice/)
  await storage.close()
})

test('a file that another has removed and made again is found again', async () => {
  const service = await start()
  const [one, other] = [await open(service), await open(service)]
  await one.put('a', [Buffer.from('1')])
  await other.delete('a')
  await expect(one.get('a')).rejects.toThrow(BlobNotFoundError)
  await other.put('a', [Buffer.from('2')])
  expect((await one.get('a')).toString()).toBe('2')
  await Promise.all([one.close(), other.close()])
})

test('the space is told when there is a limit', async () => {
  const limited = await open(await start(5000))
  expect(await limited.extras.capacity?.()).toEqual({ totalBytes: 5000n, freeBytes: 4000n })
  const endless = await open(await start())
  expect(endless.extras.capacity).toBeUndefined()
  await Promise.all([limited.close(), endless.close()])
})

test('a refused token is CredentialsError', async () => {
  await expect(open(await start(), 'bad')).rejects.toThrow(CredentialsError)
})

/** How Drive says no (Google, "Resolve errors", Drive API). */
const says = (status: number, reason: string) => ({
  status,
  json: { error: { code: status, message: 'said Drive', errors: [{ reason }] } },
})

test.each([
  [403, 'rateLimitExceeded', TransientStorageError],
  [403, 'userRateLimitExceeded', TransientStorageError],
  [403, 'sharingRateLimitExceeded', TransientStorageError],
  [429, 'rateLimitExceeded', TransientStorageError],
  [408, 'timeout', TransientStorageError],
  [500, 'backendError', TransientStorageError],
  [503, 'transientError', TransientStorageError],
  [403, 'storageQuotaExceeded', StorageFullError],
  [403, 'teamDriveFileLimitExceeded', StorageFullError],
  [403, 'numChildrenInNonRootLimitExceeded', StorageFullError],
  [403, 'insufficientFilePermissions', CredentialsError],
  [401, 'authError', CredentialsError],
  [400, 'badRequest', StorageError],
])('an upload answered by %i %s is an error of the right kind', async (status, reason, kind) => {
  const service = await start()
  const storage = await open(service)
  service.failUploads = says(status, reason)
  const failure = await storage.put('a', [Buffer.from('x')]).catch((error: unknown) => error)
  expect((failure as Error).constructor).toBe(kind)
  service.failUploads = undefined
  await storage.put('a', [Buffer.from('x')])
  await storage.close()
})

test('a token that was withdrawn before its time is renewed within the call, once', async () => {
  const service = await start()
  const asked: (string | undefined)[] = []
  const authorize = async (refused?: Readonly<Record<string, string>>) => {
    asked.push(refused?.['Authorization'])
    return { Authorization: refused ? 'Bearer good' : 'Bearer withdrawn' }
  }
  const storage = await openDrive(gdriveBackend.parse({ folderID: 'folder1' }), service.url, new HttpClient(), authorize)
  await storage.put('a', [Buffer.from('x')])
  expect((await storage.get('a')).toString()).toBe('x')
  expect(asked).toContain('Bearer withdrawn')
  await storage.close()
})
