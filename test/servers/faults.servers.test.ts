import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { contentBytes } from '../support/source-tree.ts'
import { listAsRestored, listTree } from '../support/tree-listing.ts'
import { type Fault, type FaultProxy, faultProxy, type SeenRequest } from './fault-proxy.ts'
import { startMoto, type TestServer, whyNoServers } from './object-stores.ts'

const isList = ({ method, url }: SeenRequest) => method === 'GET' && url.includes('list-type=2')
const slowDown = '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'

/** Each kind of trouble, as it hits some of the requests. */
const troubles: Readonly<Record<string, (request: SeenRequest) => Fault | undefined>> = {
  'answers are cut in the middle': (r) => (r.index % 3 === 0 && r.method === 'GET' ? { kind: 'cut answer', afterBytes: 1000 } : undefined),
  'requests are cut in the middle': (r) => (r.index % 3 === 0 ? { kind: 'cut request', afterBytes: 100_000 } : undefined),
  'answers are lost': (r) => (r.index % 4 === 0 ? { kind: 'lose answer' } : undefined),
  'some answers take 2 s': (r) => (r.index % 10 === 0 ? { kind: 'delay', ms: 2000 } : undefined),
  'the service answers in bursts of 503': (r) => (r.index % 12 < 5 ? { kind: 'status', status: 503, body: slowDown } : undefined),
  'answers drip': (r) => (r.method === 'GET' ? { kind: 'drip', pieceBytes: 100_000, everyMs: 20 } : undefined),
  'ranges come too short': (r) => (r.ranged && r.index % 3 === 0 ? { kind: 'shorten', toBytes: 10 } : undefined),
  'lists are cut off': (r) => (isList(r) && r.index % 2 === 0 ? { kind: 'shorten', toBytes: 200 } : undefined),
}

describe.skipIf(whyNoServers !== undefined)(`a bad line to the storage${whyNoServers ? ` (skipped: ${whyNoServers})` : ''}`, () => {
  let moto: TestServer
  let proxy: FaultProxy
  const home = new KuraHome()
  const source = home.path('source')
  let round = 0

  beforeAll(async () => {
    moto = await startMoto()
    proxy = await faultProxy(moto.port)
    const credentials = { accessKeyId: 'a', secretAccessKey: 'b' }
    const s3 = new S3Client({ endpoint: `http://127.0.0.1:${moto.port}`, region: 'us-east-1', forcePathStyle: true, credentials })
    await s3.send(new CreateBucketCommand({ Bucket: 'kura-faults' }))
    s3.destroy()
    mkdirSync(join(source, 'sub'), { recursive: true })
    writeFileSync(join(source, 'sub/large'), contentBytes({ gen: 'random', seed: 7, size: 3_000_000 }))
    const flags = ['--bucket=kura-faults', `--endpoint=127.0.0.1:${proxy.port}`, '--disable-tls', '--access-key=a', '--secret-access-key=b']
    await home.ok('repository', 'create', 's3', ...flags)
  })
  afterAll(async () => {
    home.remove()
    await proxy?.stop()
    await moto?.stop()
  })

  const change = () => {
    round++
    writeFileSync(join(source, `file${round}`), contentBytes({ gen: 'random', seed: round, size: 300_000 }))
  }

  test.each(Object.keys(troubles))('snapshot and restore end right though %s', async (name) => {
    change()
    const before = proxy.faults()
    proxy.plan = troubles[name] as FaultProxy['plan']
    await home.ok('snapshot', 'create', source)
    rmSync(home.path('cache'), { recursive: true, force: true })
    const target = home.path(`restored${round}`)
    await home.ok('restore', source, target)
    proxy.plan = () => undefined
    expect(listTree(target)).toEqual(listAsRestored(source))
    expect(proxy.faults()).toBeGreaterThan(before)
  })

  test('a service that refuses every write is one clear error, nothing is lost, and the next run repairs', async () => {
    change()
    proxy.plan = ({ method }) =>
      method === 'PUT' ? { kind: 'status', status: 403, body: slowDown.replace('SlowDown', 'AccessDenied') } : undefined
    const run = await home.run('snapshot', 'create', source)
    expect(run.status).not.toBe(0)
    expect(run.stderr).toMatch(/access denied.*rights to list, read, write and delete/)
    proxy.plan = () => undefined
    await home.ok('snapshot', 'create', source)
    await home.ok('snapshot', 'verify', '--verify-files-percent=100')
  })

  test('a service that is away is an error in the end, not a hang', async () => {
    proxy.plan = () => ({ kind: 'status', status: 503, body: slowDown })
    const run = await home.run('snapshot', 'list')
    expect(run.status).toBe(1)
    expect(run.stderr).toMatch(/SlowDown|503/)
    proxy.plan = () => undefined
    await home.ok('snapshot', 'list')
  })
})
