import { execFileSync } from 'node:child_process'
import { lookup } from 'node:dns/promises'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { scratchFolders } from '../support/scratch.ts'
import { repositoryRoot } from '../support/shared.ts'
import { contentBytes } from '../support/source-tree.ts'
import { azureAccount, azurePublicKey, startAzurite, startGoogle, startMoto, type TestServer, whyNoServers } from './object-stores.ts'
import { type Sshd, startSshd } from './sshd.ts'
import { type DavServer, davPassword, davUser, startLighttpd } from './webdav.ts'

const exe = process.env['KOPIA_EXE']
const why = exe ? whyNoServers : 'KOPIA_EXE is not set'
const scratch = scratchFolders()

// Kopia asks the system for names, which need not know those below localhost: then Azure cannot be tried.
const azureName = `${azureAccount}.blob.localhost`
const isAzureNamed =
  exe !== undefined &&
  (await lookup(azureName).then(
    () => true,
    () => false,
  ))

describe.skipIf(why !== undefined)(`Kopia and Kura on one server${why ? ` (skipped: ${why})` : ''}`, () => {
  let [moto, google, azurite] = [{}, {}, {}] as [TestServer, TestServer, TestServer]
  let sshd: Sshd
  let dav: DavServer
  const homes: KuraHome[] = []
  beforeAll(async () => {
    ;[moto, google, azurite, sshd, dav] = await Promise.all([
      startMoto(),
      startGoogle(),
      startAzurite(),
      startSshd(scratch()),
      startLighttpd(scratch(), 'basic', false),
    ])
    const credentials = { accessKeyId: 'a', secretAccessKey: 'b' }
    const s3 = new S3Client({ endpoint: `http://127.0.0.1:${moto.port}`, region: 'us-east-1', forcePathStyle: true, credentials })
    await s3.send(new CreateBucketCommand({ Bucket: 'kura-interop' }))
    s3.destroy()
    const key = new StorageSharedKeyCredential(azureAccount, azurePublicKey)
    await new BlobServiceClient(`http://127.0.0.1:${azurite.port}/${azureAccount}`, key).createContainer('kura-interop')
  })
  afterAll(async () => {
    for (const home of homes) home.remove()
    sshd?.stop()
    dav?.stop()
    await Promise.all([moto, google, azurite].map((server) => server.stop?.()))
  })

  const person = () => {
    const home = new KuraHome('test-password', {
      STORAGE_EMULATOR_HOST: `127.0.0.1:${google.port}`,
      KOPIA_WEBDAV_USERNAME: davUser,
      KOPIA_WEBDAV_PASSWORD: davPassword,
      NODE_OPTIONS: `--require=${join(repositoryRoot, 'test/servers/localhost-names.cjs')}`,
    })
    homes.push(home)
    const kopia = async (...args: string[]) =>
      execFileSync(exe as string, args, { env: home.env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    return { home, kura: (...args: string[]) => home.ok(...args), kopia }
  }

  /** Flags that name a place of its own for each test. */
  const places: Readonly<Record<string, (name: string) => readonly string[]>> = {
    s3: (name) => [
      ...['s3', '--bucket=kura-interop', `--endpoint=127.0.0.1:${moto.port}`, '--disable-tls', '--region=us-east-1'],
      ...['--access-key=a', '--secret-access-key=b', `--prefix=${name}/`],
    ],
    gcs: (name) => ['gcs', '--bucket=kura-test', `--prefix=${name}/`],
    azure: (name) => {
      const config = { container: 'kura-interop', prefix: `${name}/`, storageAccount: azureAccount, storageKey: azurePublicKey }
      const storage = { type: 'azureBlob', config: { ...config, storageDomain: `blob.localhost:${azurite.port}`, doNotUseTLS: true } }
      return ['from-config', '--token', Buffer.from(JSON.stringify({ version: '1', storage })).toString('base64url')]
    },
    sftp: (name) => [
      ...['sftp', '--host=127.0.0.1', `--port=${sshd.port}`, `--username=${sshd.username}`, `--path=${join(sshd.folder, name)}`],
      ...[`--keyfile=${sshd.keyfile}`, `--known-hosts=${sshd.knownHosts}`],
    ],
    webdav: (name) => {
      // Kopia makes no root.
      mkdirSync(join(dav.root, name), { recursive: true })
      return ['webdav', `--url=${dav.url}${name}`]
    },
    rclone: (name) => ['rclone', `--remote-path=${join(sshd.folder, name)}`],
  }

  test.each([
    ['s3', 'kura', 'kopia'],
    ['s3', 'kopia', 'kura'],
    ['gcs', 'kura', 'kopia'],
    ...(isAzureNamed ? [['azure', 'kura', 'kopia'] as const, ['azure', 'kopia', 'kura'] as const] : []),
    ['sftp', 'kura', 'kopia'],
    ['sftp', 'kopia', 'kura'],
    ['webdav', 'kura', 'kopia'],
    ['webdav', 'kopia', 'kura'],
    ['rclone', 'kura', 'kopia'],
    ['rclone', 'kopia', 'kura'],
  ] as const)('%s: what %s makes %s reads, and goes on with', async (kind, maker, reader) => {
    const [one, other] = [person(), person()]
    const storage = (places[kind] as (name: string) => readonly string[])(`${kind}-${maker}`)
    const source = one.home.path('source')
    mkdirSync(join(source, 'sub'), { recursive: true })
    writeFileSync(join(source, 'sub/large'), contentBytes({ gen: 'random', seed: 3, size: 1_000_000 }))
    await one[maker]('repository', 'create', ...storage)
    await one[maker]('snapshot', 'create', source)
    await other[reader]('repository', 'connect', ...storage)
    const [snapshot] = JSON.parse(await other[reader]('snapshot', 'list', '--all', '--json')) as { id: string }[]
    const target = other.home.path('restored')
    await other[reader]('snapshot', 'restore', snapshot?.id ?? '', target)
    // Kopia's restore sometimes leaves a folder with the time of its own writing: names and bytes are compared.
    execFileSync('diff', ['-r', source, target])
    await other[reader]('snapshot', 'create', source)
    await one[maker]('snapshot', 'verify', '--verify-files-percent=100')
    // Each takes the other's configuration file as it is.
    const shown = JSON.parse(await one[reader]('repository', 'status', '--json')) as { storage: { type: string } }
    expect(shown.storage.type).toBe(kind === 'azure' ? 'azureBlob' : kind)
  })
})
