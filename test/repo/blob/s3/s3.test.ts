import { expect, test } from 'vitest'
import { s3Backend } from '#repo/blob/s3/s3.ts'

const base = { bucket: 'b', endpoint: '127.0.0.1:1', accessKeyID: 'id', secretAccessKey: 'very-secret', doNotUseTLS: true, extra: 1 }

test('the configuration comes back as it was given, unknown members too', async () => {
  const storage = await s3Backend.open(s3Backend.parse(base), false)
  expect(storage.connection).toEqual({ type: 's3', config: base })
  expect(storage.displayName).toBe('S3: 127.0.0.1:1 b')
  await storage.close()
})

test('a configuration without a bucket is refused', () => {
  expect(() => s3Backend.parse({ endpoint: 'x' })).toThrow('no bucket')
})

test.each(['pointInTime', 'rootCA', 'roleARN'])('what is not supported is refused, not ignored: %s', (name) => {
  expect(() => s3Backend.parse({ ...base, [name]: '2026-01-01T00:00:00Z' })).toThrow(name)
})

test('an error names bucket and endpoint, never the secret', async () => {
  const storage = await s3Backend.open(s3Backend.parse(base), false)
  const error = await storage.get('x').catch((e: unknown) => e as Error)
  expect(String(error)).toContain('bucket b at 127.0.0.1:1')
  expect(String(error)).not.toContain('very-secret')
  await storage.close()
})
