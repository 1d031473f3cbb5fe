import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { contentBytes } from '../support/source-tree.ts'
import { startGoogle, startMoto, type TestServer, whyNoServers } from './object-stores.ts'

const exe = process.env['KOPIA_EXE']
const why = exe ? whyNoServers : 'KOPIA_EXE is not set'

describe.skipIf(why !== undefined)(`Kopia and Kura in one object store${why ? ` (skipped: ${why})` : ''}`, () => {
  const servers: TestServer[] = []
  const homes: KuraHome[] = []
  beforeAll(async () => {
    servers.push(...(await Promise.all([startMoto(), startGoogle()])))
    const endpoint = `http://127.0.0.1:${servers[0]?.port}`
    const s3 = new S3Client({
      endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    })
    await s3.send(new CreateBucketCommand({ Bucket: 'kura-interop' }))
    s3.destroy()
  })
  afterAll(async () => {
    for (const home of homes) home.remove()
    await Promise.all(servers.map((server) => server.stop()))
  })

  const person = () => {
    const home = new KuraHome('test-password', { STORAGE_EMULATOR_HOST: `127.0.0.1:${servers[1]?.port}` })
    homes.push(home)
    const kopia = (...args: string[]) =>
      execFileSync(exe as string, args, { env: home.env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    return { home, kura: (...args: string[]) => home.ok(...args), kopia: async (...args: string[]) => kopia(...args) }
  }
  const s3 = () => [
    ...['s3', '--bucket=kura-interop', `--endpoint=127.0.0.1:${servers[0]?.port}`, '--disable-tls', '--region=us-east-1'],
    ...['--access-key=a', '--secret-access-key=b'],
  ]
  const gcs = () => ['gcs', '--bucket=kura-test']

  test.each([
    ['s3', 'kura', 'kopia', s3],
    ['s3', 'kopia', 'kura', s3],
    ['gcs', 'kura', 'kopia', gcs],
  ] as const)('%s: what %s makes %s reads, and goes on with', async (kind, maker, reader, flags) => {
    const [one, other] = [person(), person()]
    const storage = [...flags(), `--prefix=${kind}-${maker}/`]
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
  })
})
