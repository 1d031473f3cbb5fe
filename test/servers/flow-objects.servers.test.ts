import { join } from 'node:path'
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3'
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { repositoryRoot } from '../support/shared.ts'
import {
  azureAccount,
  azurePublicKey,
  startAzurite,
  startGoogle,
  startMoto,
  startS3rver,
  type TestServer,
  whyNoServers,
} from './object-stores.ts'
import { wholeFlow, wholeFlowTimeoutMs } from './whole-flow.ts'

describe.skipIf(whyNoServers !== undefined)(`a repository in an object store${whyNoServers ? ` (skipped: ${whyNoServers})` : ''}`, () => {
  const servers: TestServer[] = []
  const homes: KuraHome[] = []
  let [moto, s3rver, azurite, google] = [0, 0, 0, 0]
  beforeAll(async () => {
    servers.push(...(await Promise.all([startMoto(), startS3rver(), startAzurite(), startGoogle()])))
    ;[moto, s3rver, azurite, google] = servers.map((s) => s.port) as [number, number, number, number]
    const credentials = { accessKeyId: 'a', secretAccessKey: 'b' }
    const s3 = new S3Client({ endpoint: `http://127.0.0.1:${moto}`, region: 'us-east-1', forcePathStyle: true, credentials })
    await s3.send(new CreateBucketCommand({ Bucket: 'kura-flow', ObjectLockEnabledForBucket: true }))
    await s3.send(new PutBucketVersioningCommand({ Bucket: 'kura-flow', VersioningConfiguration: { Status: 'Enabled' } }))
    s3.destroy()
    const key = new StorageSharedKeyCredential(azureAccount, azurePublicKey)
    await new BlobServiceClient(`http://127.0.0.1:${azurite}/${azureAccount}`, key).createContainer('kura-flow')
  })
  afterAll(async () => {
    for (const home of homes) home.remove()
    await Promise.all(servers.map((server) => server.stop()))
  })

  function newHome(extra: NodeJS.ProcessEnv = {}): KuraHome {
    const home = new KuraHome('test-password', extra)
    homes.push(home)
    return home
  }
  const s3Flow = (port: number, bucket: string, key?: string, secret?: string) => {
    const repository = s3Flags(port, bucket, key, secret)
    return { repository, mirror: repository.map((flag) => flag.replace('kura/', 'mirror/')) }
  }
  const s3Flags = (port: number, bucket: string, key = 'a', secret = 's3cret-of-the-storage') => [
    ...['s3', `--bucket=${bucket}`, `--endpoint=127.0.0.1:${port}`, '--disable-tls', '--prefix=kura/', `--access-key=${key}`],
    `--secret-access-key=${secret}`,
  ]

  test.concurrent('lives a whole day on S3 (moto), and nothing is said on stderr that is not ours', {
    timeout: wholeFlowTimeoutMs,
  }, async () => {
    const home = newHome()
    await wholeFlow(home, s3Flow(moto, 'kura-flow'))
    expect((await home.run('repository', 'status')).stderr).toBe('')
    const before = new Date().toISOString()
    const connect = ['repository', 'connect', ...s3Flags(moto, 'kura-flow'), `--point-in-time=${before}`]
    await home.ok(...connect)
    expect(await home.ok('snapshot', 'list')).toContain(home.path('source'))
    const refused = await home.run('snapshot', 'create', home.path('source'))
    expect(refused.status).not.toBe(0)
    expect(refused.stderr).toMatch(/read-only|as it was/)
  })

  test('is locked when its retention says so', async () => {
    const home = newHome()
    const flags = s3Flags(moto, 'kura-flow').map((flag) => flag.replace('kura/', 'locked/'))
    await home.ok('repository', 'create', ...flags, '--retention-mode=GOVERNANCE', '--retention-period=48h')
    expect(await home.ok('repository', 'status')).toMatch(/GOVERNANCE/)
    await home.ok('maintenance', 'set', '--extend-object-locks', 'true')
    const tooShort = await home.run('repository', 'set-parameters', '--retention-period=47h')
    expect(tooShort.stderr).toContain('must be at least 24h longer than the full maintenance interval')
    expect(tooShort.status).toBe(1)
    expect(await home.ok('repository', 'status')).toMatch(/period: +48h0m0s/)
    const off = await home.run('repository', 'set-parameters', '--retention-mode=none')
    expect(off.stderr.split('\n')).toContain('disabling blob retention')
  })

  test.concurrent('lives a whole day on S3 (s3rver)', { timeout: wholeFlowTimeoutMs }, async () => {
    await wholeFlow(newHome(), s3Flow(s3rver, 'kura-test', 'S3RVER', 'S3RVER'))
  })

  test.concurrent('lives a whole day on Azure (azurite), by a token as the domain has no TLS', {
    timeout: wholeFlowTimeoutMs,
  }, async () => {
    const home = newHome({ NODE_OPTIONS: `--require=${join(repositoryRoot, 'test/servers/localhost-names.cjs')}` })
    const config = { container: 'kura-flow', storageAccount: azureAccount, storageKey: azurePublicKey, doNotUseTLS: true }
    const flags = (prefix: string) => {
      const storage = { type: 'azureBlob', config: { ...config, prefix, storageDomain: `blob.localhost:${azurite}` } }
      return ['from-config', '--token', Buffer.from(JSON.stringify({ version: '1', storage })).toString('base64url')]
    }
    await wholeFlow(home, { repository: flags('kura/'), mirror: flags('mirror/') })
    expect(await home.ok('repository', 'status')).not.toContain(azurePublicKey)
  })

  test.concurrent('lives a whole day on Google Cloud Storage (emulator)', { timeout: wholeFlowTimeoutMs }, async () => {
    const flags = (prefix: string) => ['gcs', '--bucket=kura-test', `--prefix=${prefix}`]
    const home = newHome({ STORAGE_EMULATOR_HOST: `127.0.0.1:${google}` })
    await wholeFlow(home, { repository: flags('kura/'), mirror: flags('mirror/') })
  })

  test.each([
    ['a bucket that is not there', () => s3Flags(moto, 'nowhere-at-all'), /no such bucket/],
    ['keys that nobody knows', () => s3Flags(s3rver, 'kura-test', 'nobody', 'wr0ng'), /keys are not accepted/],
    [
      'a bucket without a repository',
      () => s3Flags(s3rver, 'kura-test', 'S3RVER', 'S3RVER').map((f) => f.replace('kura/', 'empty/')),
      /not initialized/,
    ],
  ])('one clear line says: %s', async (_what, flags, line) => {
    const run = await newHome().run('repository', 'connect', ...flags())
    expect(run.status).toBe(1)
    expect(run.stderr).toMatch(line)
    expect(run.stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(run.stderr).not.toContain('wr0ng')
  })
})
