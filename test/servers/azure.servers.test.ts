import {
  BlobSASPermissions,
  BlobServiceClient,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CredentialsError } from '#repo/blob/errors.ts'
import { openStorage } from '#repo/blob/registry.ts'
import { conformance, listed } from '../support/blob-conformance.ts'
import './localhost-names.cjs'
import { azureAccount, azurePublicKey, startAzurite, type TestServer, whyNoServers } from './object-stores.ts'

const account = azureAccount
const storageKey = azurePublicKey
const cannot = {
  'a put that must not replace is BlobExistsError and changes nothing': 'Azure storage of Kopia does not support it (spec 04, 4.1.4)',
}
const bytes = (text: string) => Buffer.from(text)

describe.skipIf(whyNoServers !== undefined)(`azure on azurite${whyNoServers ? ` (skipped: ${whyNoServers})` : ''}`, () => {
  let server: TestServer
  let admin: BlobServiceClient
  let count = 0
  const credential = new StorageSharedKeyCredential(account, storageKey)

  beforeAll(async () => {
    server = await startAzurite()
    admin = new BlobServiceClient(`http://127.0.0.1:${server.port}/${account}`, credential)
  })
  afterAll(() => server?.stop())

  const newContainer = async (): Promise<string> => {
    const container = `kura-${count++}`
    await admin.createContainer(container)
    return container
  }
  const open = (container: string, extra: object = { storageKey }) => {
    const config = { container, storageAccount: account, storageDomain: `blob.localhost:${server.port}`, doNotUseTLS: true, ...extra }
    return openStorage({ type: 'azureBlob', config }, false)
  }

  conformance('azure', async () => open(await newContainer()), cannot)
  conformance('azure, with a prefix', async () => open(await newContainer(), { storageKey, prefix: 'deep/er/' }), cannot)

  test('a shared access signature lets in, with or without its question mark', async () => {
    const container = await newContainer()
    const permissions = ContainerSASPermissions.parse('rwdl')
    const expiresOn = new Date(Date.now() + 3_600_000)
    const sas = generateBlobSASQueryParameters({ containerName: container, permissions, expiresOn }, credential).toString()
    for (const sasToken of [sas, `?${sas}`]) {
      const storage = await open(container, { sasToken })
      await storage.put('a', [bytes('x')])
      expect(await listed(storage, '')).toEqual(['a'])
      await storage.close()
    }
    const narrow = generateBlobSASQueryParameters(
      { containerName: container, permissions: BlobSASPermissions.parse('r'), expiresOn },
      credential,
    )
    const failure = await open(container, { sasToken: narrow.toString() }).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(CredentialsError)
    expect(String(failure)).not.toContain('sig=')
  })

  test('a wrong key is CredentialsError and does not appear in it', async () => {
    const wrong = Buffer.from('wr0ng-secret').toString('base64')
    const failure = await open(await newContainer(), { storageKey: wrong }).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(CredentialsError)
    expect(String(failure)).not.toContain(wrong)
  })

  test('a container that is not there fails the opening, and says so', async () => {
    await expect(open('no-such-container')).rejects.toThrow(/no such container.*--container/)
  })

  test('a container without versions has no past', async () => {
    await expect(open(await newContainer(), { storageKey, pointInTime: '2026-01-01T00:00:00Z' })).rejects.toThrow(/keeps no versions/)
  })

  test('a connection without credentials is refused', async () => {
    await expect(open('x', {})).rejects.toThrow(/no credentials/)
  })

  test('a list of more than one page is whole', async () => {
    const container = await newContainer()
    const storage = await open(container)
    const ids = Array.from({ length: 5010 }, (_, i) => `p${String(i).padStart(5, '0')}`)
    const blobs = admin.getContainerClient(container)
    for (let at = 0; at < ids.length; at += 100)
      await Promise.all(ids.slice(at, at + 100).map((id) => blobs.getBlockBlobClient(id).upload('x', 1)))
    expect(await listed(storage, 'p')).toEqual(ids)
    await storage.close()
  })
})
