import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openStorage } from '#repo/blob/registry.ts'
import { conformance } from '../support/blob-conformance.ts'
import { startGoogle, type TestServer, whyNoServers } from './object-stores.ts'

const cannot = {
  'a put that must not replace is BlobExistsError and changes nothing':
    'the emulator knows no preconditions; tried in test/repo/blob/google',
}

describe.skipIf(whyNoServers !== undefined)(`gcs on an emulator${whyNoServers ? ` (skipped: ${whyNoServers})` : ''}`, () => {
  let server: TestServer
  let count = 0
  beforeAll(async () => {
    server = await startGoogle()
    process.env['STORAGE_EMULATOR_HOST'] = `127.0.0.1:${server.port}`
  })
  afterAll(async () => {
    delete process.env['STORAGE_EMULATOR_HOST']
    await server?.stop()
  })

  const open = (extra: object = {}) =>
    openStorage({ type: 'gcs', config: { bucket: 'kura-test', prefix: `case-${count++}/`, ...extra } }, false)

  conformance('gcs', open, cannot)

  test('a bucket that is not there fails the opening, and says so', async () => {
    await expect(open({ bucket: 'nowhere' })).rejects.toThrow(/bucket nowhere.*no such place/)
  })
})
