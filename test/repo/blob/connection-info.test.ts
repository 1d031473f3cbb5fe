import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseConnectionInfo } from '#repo/blob/registry.ts'
import { sharedPath } from '../../support/shared.ts'

/** As Kopia writes them (spec 04, 4.3 and 4.8). */
const written: Readonly<Record<string, object>> = {
  s3: {
    ...{ bucket: 'my-bucket', endpoint: 's3.amazonaws.com', accessKeyID: 'AK', secretAccessKey: 'SK', sessionToken: '', roleARN: '' },
    ...{ sessionName: '', duration: '0s', roleEndpoint: '', roleRegion: '', maxUploadSpeedBytesPerSecond: 1000 },
  },
  azureBlob: { container: 'c', storageAccount: 'acc', storageKey: 'a2V5', TenantID: 't', ClientID: 'c', ClientSecret: 's' },
  gcs: { bucket: 'b', prefix: 'p/', credentials: { type: 'service_account', client_email: 'x' } },
  b2: { bucket: 'b', keyID: 'id', key: 'k' },
  gdrive: { folderID: 'f1', credentialsFile: '/key.json', readOnly: true },
}

test.each(Object.entries(written))('the %s connection that Kopia writes is accepted as it is', async (type, config) => {
  expect(await parseConnectionInfo({ type, config })).toEqual({ type, config })
})

test.each(Object.entries(written))('the names of its members may have any case: %s', async (type, config) => {
  const shouted = Object.fromEntries(Object.entries(config).map(([name, value]) => [name.toUpperCase(), value]))
  expect(await parseConnectionInfo({ TYPE: type, CONFIG: shouted })).toEqual({ type, config: shouted })
})

test.each(Object.keys(written))('a %s connection without its place is refused', async (type) => {
  await expect(parseConnectionInfo({ type, config: {} })).rejects.toThrow(/storage configuration/)
})

test('the CLI’s name "azure" is no type', async () => {
  await expect(parseConnectionInfo({ type: 'azure', config: {} })).rejects.toThrow(/unknown storage type "azure".*azureBlob/)
})

test('every connection of the fixtures, shown by Kopia, is accepted as it is', async () => {
  let count = 0
  for (const name of readdirSync(sharedPath('fixtures')).filter((each) => each.endsWith('.json'))) {
    const { status } = JSON.parse(readFileSync(sharedPath('fixtures', name), 'utf8')) as { status?: { storage?: unknown } }
    if (!status?.storage) continue
    expect(await parseConnectionInfo(status.storage), name).toEqual(status.storage)
    count++
  }
  expect(count).toBeGreaterThan(40)
})
