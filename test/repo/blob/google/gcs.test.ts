import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { BlobExistsError, BlobNotFoundError, CredentialsError, TransientStorageError } from '#repo/blob/errors.ts'
import { gcsBackend } from '#repo/blob/google/gcs.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import { listed } from '../../../support/blob-conformance.ts'
import { type FakeReply, type FakeRequest, type FakeService, fakeService } from '../../../support/fake-service.ts'
import { scratchFolders } from '../../../support/scratch.ts'

const scratch = scratchFolders()
let service: FakeService | undefined
afterEach(async () => {
  delete process.env['STORAGE_EMULATOR_HOST']
  await service?.stop()
})

/** Opens a storage whose service answers by the function; the question of the opening is answered with an empty list. */
async function open(answer: (request: FakeRequest) => FakeReply, extra: object = {}): Promise<BlobStorage> {
  service = await fakeService((request) => (request.query.get('prefix')?.includes('initializing') ? { json: {} } : answer(request)))
  process.env['STORAGE_EMULATOR_HOST'] = service.url
  return gcsBackend.open(gcsBackend.parse({ bucket: 'b', prefix: 'x/', ...extra }), false)
}
const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, '0')}.000Z`

test('a put that must not replace asks for generation 0, and 412 is BlobExistsError', async () => {
  const storage = await open((r) => (r.query.get('ifGenerationMatch') === '0' ? { status: 412, json: {} } : { json: { updated: at(1) } }))
  await expect(storage.put('a', [Buffer.from('x')], { onlyIfAbsent: true })).rejects.toThrow(BlobExistsError)
  expect(await storage.put('a', [Buffer.from('x')])).toEqual({ id: 'a', sizeBytes: 1, modifiedMs: Date.parse(at(1)) })
})

test('an upload carries checksum, type, time and lock', async () => {
  const storage = await open(() => ({ json: { updated: at(1) } }))
  await storage.put('p1', [Buffer.from('abc')], {
    modifiedMs: 1577934245000,
    retention: { mode: 'GOVERNANCE', periodNs: 86_400_000_000_000n },
  })
  const text = service?.requests.at(-1)?.body.toString() ?? ''
  const resource = JSON.parse(/\{.*\}/.exec(text)?.[0] ?? '{}')
  expect(resource).toMatchObject({ name: 'x/p1', contentType: 'application/x-kopia', md5Hash: 'kAFQmDzST7DWlj99KOF/cg==' })
  expect(resource.metadata).toEqual({ 'Kopia-Mtime': '1577934245000000000' })
  expect(resource.retention.mode).toBe('Locked')
  expect(resource.retention.retainUntilTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  expect(Math.abs(Date.parse(resource.retention.retainUntilTime) - Date.now() - 86_400_000)).toBeLessThan(600_000)
})

test('a lock is extended by a patch', async () => {
  const storage = await open(() => ({ json: {} }))
  await storage.extras.extendRetention?.('p1', 'COMPLIANCE', 86_400_000_000_000n)
  const patch = service?.requests.at(-1)
  expect(patch).toMatchObject({ method: 'PATCH', path: '/storage/v1/b/b/o/x%2Fp1' })
  expect(JSON.parse(patch?.body.toString() ?? '').retention.mode).toBe('Locked')
})

test('a list goes on where its page ended, and a page that is broken is asked for again', async () => {
  let broken = true
  const storage = await open((r) => {
    if (!r.query.get('pageToken')) return { json: { items: [{ name: 'x/a', size: '1', timeCreated: at(1) }], nextPageToken: 'two' } }
    if (broken) {
      broken = false
      return { body: '{"items": [{"name": "x/' }
    }
    return { json: { items: [{ name: 'x/b', size: '2', timeCreated: at(2), metadata: { 'Kopia-Mtime': '1000000000' } }] } }
  })
  const found = []
  for await (const info of storage.list('')) found.push(info)
  expect(found).toEqual([
    { id: 'a', sizeBytes: 1, modifiedMs: Date.parse(at(1)) },
    { id: 'b', sizeBytes: 2, modifiedMs: 1000 },
  ])
})

test('the storage as it was: replaced, deleted and later versions', async () => {
  const item = (name: string, generation: string, created: number, deleted?: number) => ({
    ...{ name: `x/${name}`, generation, size: '1', timeCreated: at(created) },
    ...(deleted === undefined ? {} : { timeDeleted: at(deleted) }),
  })
  const items = [
    item('a', '1', 1, 5),
    item('a', '2', 5, 20),
    item('a', '3', 20),
    item('gone', '4', 1, 6),
    item('late', '5', 11),
    item('still', '6', 2, 30),
  ]
  const storage = await open(
    (r) => {
      if (r.path.endsWith('/b/b')) return { json: { versioning: { enabled: true } } }
      if (r.query.get('alt') === 'media') return { body: `generation ${r.query.get('generation')}` }
      return { json: { items: items.filter((i) => i.name.startsWith(r.query.get('prefix') ?? '')) } }
    },
    { pointInTime: at(10) },
  )
  expect(await listed(storage, '')).toEqual(['a', 'still'])
  expect((await storage.get('a')).toString()).toBe('generation 2')
  expect((await storage.stat('still')).modifiedMs).toBe(Date.parse(at(2)))
  for (const id of ['gone', 'late']) await expect(storage.get(id)).rejects.toThrow(BlobNotFoundError)
})

test('a bucket without versions has no past', async () => {
  await expect(open(() => ({ json: {} }), { pointInTime: at(10) })).rejects.toThrow(/keeps no versions/)
})

test.each([
  [401, {}, CredentialsError],
  [403, { error: { message: 'no', errors: [{ reason: 'forbidden' }] } }, CredentialsError],
  [403, { error: { message: 'slow', errors: [{ reason: 'rateLimitExceeded' }] } }, TransientStorageError],
  [429, {}, TransientStorageError],
  [503, {}, TransientStorageError],
])('status %i %j is an error of the right kind', async (status, json, kind) => {
  const storage = await open(() => ({ status, json }))
  await expect(storage.put('a', [])).rejects.toThrow(kind)
})

test('the key of a service account is exchanged for a token, once for many requests', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const tokens = await fakeService(() => ({ json: { access_token: 'tok', expires_in: 3600 } }))
  const key = {
    type: 'service_account',
    client_email: 'me@project',
    private_key_id: 'k1',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    token_uri: `${tokens.url}/token`,
  }
  const { googleAuthorization } = await import('#repo/blob/google/credentials.ts')
  const { HttpClient } = await import('#repo/blob/http/client.ts')
  const file = join(scratch(), 'key.json')
  writeFileSync(file, JSON.stringify(key))
  for (const config of [{ credentials: key }, { credentialsFile: file }]) {
    const client = new HttpClient()
    const authorize = await googleAuthorization(config, 'gcs', 'the-scope', client)
    expect(await Promise.all([authorize(), authorize()])).toEqual([{ Authorization: 'Bearer tok' }, { Authorization: 'Bearer tok' }])
    client.close()
  }
  expect(tokens.requests).toHaveLength(2)
  const form = new URLSearchParams(tokens.requests[0]?.body.toString())
  const [, claims = ''] = form.get('assertion')?.split('.') ?? []
  expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
    iss: 'me@project',
    scope: 'the-scope',
    aud: key.token_uri,
  })
  await tokens.stop()
})

test.each([[{ type: 'authorized_user' }], [{ type: 'service_account', client_email: 'x', private_key: 'not a key s3cret' }]])(
  'credentials that are no key are CredentialsError, and not quoted: %j',
  async (credentials) => {
    const { googleAuthorization } = await import('#repo/blob/google/credentials.ts')
    const { HttpClient } = await import('#repo/blob/http/client.ts')
    const client = new HttpClient()
    const failure = await googleAuthorization({ credentials }, 'gcs', 's', client)
      .then((authorize) => authorize())
      .catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(CredentialsError)
    expect(String(failure)).not.toContain('s3cret')
    client.close()
  },
)
