import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KuraHome } from '../support/kura.ts'
import { scratchFolders } from '../support/scratch.ts'
import { contentBytes } from '../support/source-tree.ts'
import { listAsRestored, listTree } from '../support/tree-listing.ts'
import { type Fault, type FaultProxy, faultProxy, type SeenRequest } from './fault-proxy.ts'
import { startMoto, whyNoServers } from './object-stores.ts'
import { startSshd } from './sshd.ts'
import { type LineFault, lineProxy } from './tcp-fault-proxy.ts'
import { davPassword, davUser, startLighttpd } from './webdav.ts'

const scratch = scratchFolders()
const isList = ({ method, url }: SeenRequest) => method === 'PROPFIND' || (method === 'GET' && url.includes('list-type=2'))
const slowDown = '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'

/** Each kind of trouble, as it hits some of the requests. */
const troubles: Readonly<Record<string, (request: SeenRequest) => Fault | undefined>> = {
  'answers are cut in the middle': (r) => (r.index % 3 === 0 && r.method === 'GET' ? { kind: 'cut answer', afterBytes: 1000 } : undefined),
  'requests are cut in the middle': (r) => (r.index % 3 === 0 ? { kind: 'cut request', afterBytes: 100_000 } : undefined),
  'answers are lost': (r) => (r.index % 4 === 0 ? { kind: 'lose answer' } : undefined),
  'some answers take 2 s': (r) => (r.index % 12 === 0 ? { kind: 'delay', ms: 2000 } : undefined),
  'the service answers in bursts of 503': (r) => (r.index % 12 < 5 ? { kind: 'status', status: 503, body: slowDown } : undefined),
  'answers drip': (r) => (r.method === 'GET' ? { kind: 'drip', pieceBytes: 100_000, everyMs: 20 } : undefined),
  'ranges come too short': (r) => (r.ranged && r.index % 3 === 0 ? { kind: 'shorten', toBytes: 10 } : undefined),
  'lists are cut off': (r) => (isList(r) && r.index % 2 === 0 ? { kind: 'shorten', toBytes: 200 } : undefined),
}

/** What can happen to a connection of whatever protocol. */
const lineTroubles: Readonly<Record<string, (connection: number) => LineFault | undefined>> = {
  'connections end after some bytes': (n) => (n % 2 === 0 ? { cutAfterBytes: 60_000 } : undefined),
  'connections end before anything was said': (n) => (n % 3 < 2 ? { cutAfterBytes: 0 } : undefined),
  'connections end in the middle of much data': (n) => (n % 3 < 2 ? { cutAfterBytes: 1_500_000 } : undefined),
  'all takes 25 ms longer': () => ({ delayMs: 25 }),
  'data drips': () => ({ dripBytes: 30_000, everyMs: 5 }),
}

/** A proxy before a server, with a repository behind it. */
interface BadLine {
  readonly home: KuraHome
  readonly source: string
  readonly faults: () => number
  /** Begins the trouble of that name; none ends it. */
  set(trouble?: string): void
}

/** Snapshot and restore through every trouble. */
function endRight(names: readonly string[], line: () => BadLine): void {
  test.each(names)('snapshot and restore end right though %s', async (name) => {
    const { home, source, faults, set } = line()
    const round = names.indexOf(name)
    writeFileSync(join(source, `file${round}`), contentBytes({ gen: 'random', seed: 100 + round, size: 300_000 }))
    const before = faults()
    set(name)
    await home.ok('snapshot', 'create', source)
    rmSync(home.path('cache'), { recursive: true, force: true })
    const target = home.path(`restored${round}`)
    await home.ok('restore', source, target)
    set()
    expect(listTree(target)).toEqual(listAsRestored(source))
    expect(faults()).toBeGreaterThan(before)
  })
}

function personWith(source: string, extra: NodeJS.ProcessEnv = {}): KuraHome {
  const home = new KuraHome('test-password', extra)
  mkdirSync(join(home.path(source), 'sub'), { recursive: true })
  writeFileSync(join(home.path(source), 'sub/large'), contentBytes({ gen: 'random', seed: 7, size: 3_000_000 }))
  return home
}

describe.skipIf(whyNoServers !== undefined)(`a bad line to S3${whyNoServers ? ` (skipped: ${whyNoServers})` : ''}`, () => {
  let proxy: FaultProxy
  let line: BadLine
  const home = personWith('source')
  const source = home.path('source')
  const ends: (() => unknown)[] = [() => home.remove()]

  beforeAll(async () => {
    const moto = await startMoto()
    proxy = await faultProxy(moto.port)
    ends.push(
      () => proxy.stop(),
      () => moto.stop(),
    )
    const credentials = { accessKeyId: 'a', secretAccessKey: 'b' }
    const s3 = new S3Client({ endpoint: `http://127.0.0.1:${moto.port}`, region: 'us-east-1', forcePathStyle: true, credentials })
    await s3.send(new CreateBucketCommand({ Bucket: 'kura-faults' }))
    s3.destroy()
    const flags = ['--bucket=kura-faults', `--endpoint=127.0.0.1:${proxy.port}`, '--disable-tls', '--access-key=a', '--secret-access-key=b']
    await home.ok('repository', 'create', 's3', ...flags)
    line = { home, source, faults: proxy.faults, set: (name) => setPlan(proxy, name) }
  })
  afterAll(async () => {
    for (const end of ends) await end()
  })

  endRight(Object.keys(troubles), () => line)

  test('a service that refuses every write is one clear error, nothing is lost, and the next run repairs', async () => {
    writeFileSync(join(source, 'refused'), contentBytes({ gen: 'random', seed: 50, size: 300_000 }))
    proxy.plan = ({ method }) =>
      method === 'PUT' ? { kind: 'status', status: 403, body: slowDown.replace('SlowDown', 'AccessDenied') } : undefined
    const run = await home.run('snapshot', 'create', source)
    expect(run.status).not.toBe(0)
    expect(run.stderr).toMatch(/access denied.*rights to list, read, write and delete/)
    proxy.plan = () => undefined
    await home.ok('snapshot', 'create', source)
    await home.ok('snapshot', 'verify', '--verify-files-percent=100')
  })

  test('blobs that come too short and say that this is all are a clear error, or right; nothing stays wrong', async () => {
    rmSync(home.path('cache'), { recursive: true, force: true })
    // The format blob is whole, else nothing could be said.
    proxy.plan = (r) =>
      r.method === 'GET' && !r.ranged && !isList(r) && !/kopia|storageconfig/.test(r.url) ? { kind: 'shorten', toBytes: 50 } : undefined
    const before = proxy.faults()
    const run = await home.run('restore', source, home.path('short'))
    expect(proxy.faults()).toBeGreaterThan(before)
    if (run.status !== 0) expect(run.stderr).not.toMatch(/internal error|\n\s+at /)
    proxy.plan = () => undefined
    await home.ok('restore', source, home.path('whole'))
    expect(listTree(home.path('whole'))).toEqual(listAsRestored(source))
  })

  test.each([
    [
      'a region that is not the bucket’s',
      'GET',
      301,
      'PermanentRedirect',
      ['snapshot', 'list'],
      /the bucket is in another region\. Check --region/,
    ],
    [
      'a clock that is wrong',
      'GET',
      403,
      'RequestTimeTooSkewed',
      ['snapshot', 'list'],
      /clocks differ too much\. Set this machine's clock/,
    ],
    ['a session that is over', 'GET', 400, 'ExpiredToken', ['snapshot', 'list'], /token has expired\. Connect again with a new one/],
    ['a quota that is full', 'PUT', 403, 'QuotaExceeded', ['snapshot', 'create'], /quota is used up.*Free some space or raise the quota/],
    [
      'no right to delete',
      'DELETE',
      403,
      'AccessDenied',
      ['maintenance', 'run', '--full', '--safety=none'],
      /rights to list, read, write and delete/,
    ],
  ])('one clear line says: %s', async (what, method, status, code, words, line) => {
    if (words[1] === 'create') writeFileSync(join(source, 'unseen'), contentBytes({ gen: 'random', seed: 60, size: 100_000 }))
    if (method === 'DELETE') await home.ok('snapshot', 'create', source)
    proxy.plan = (r) => (r.method === method ? { kind: 'status', status, body: slowDown.replace('SlowDown', code) } : undefined)
    const run = await home.run(...words, ...(words[1] === 'create' ? [source] : []))
    proxy.plan = () => undefined
    expect(run.status, what).toBe(1)
    const clear = run.stderr.split('\n').filter((each) => line.test(each))
    expect(clear.length, run.stderr).toBeGreaterThan(0)
    expect(run.stderr).not.toMatch(/internal error|\n\s+at |unable to complete/)
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

function setPlan(proxy: FaultProxy, name?: string): void {
  proxy.plan = (name === undefined ? undefined : troubles[name]) ?? (() => undefined)
}

describe('a bad line to WebDAV', () => {
  let line: BadLine
  const home = personWith('source', { KOPIA_WEBDAV_USERNAME: davUser, KOPIA_WEBDAV_PASSWORD: davPassword })
  const ends: (() => unknown)[] = [() => home.remove()]
  beforeAll(async () => {
    const server = await startLighttpd(scratch(), 'digest', false)
    const proxy = await faultProxy(Number(new URL(server.url).port))
    ends.push(
      () => proxy.stop(),
      () => server.stop(),
    )
    await home.ok('repository', 'create', 'webdav', `--url=http://127.0.0.1:${proxy.port}/repository`)
    line = { home, source: home.path('source'), faults: proxy.faults, set: (name) => setPlan(proxy, name) }
  })
  afterAll(async () => {
    for (const end of ends) await end()
  })
  endRight(Object.keys(troubles), () => line)
})

describe('a bad line to SFTP', () => {
  let line: BadLine
  const home = personWith('source')
  const ends: (() => unknown)[] = [() => home.remove()]
  beforeAll(async () => {
    const server = await startSshd(scratch())
    const proxy = await lineProxy(server.port)
    ends.push(
      () => proxy.stop(),
      () => server.stop(),
    )
    const knownHosts = join(scratch(), 'known_hosts')
    writeFileSync(knownHosts, readFileSync(server.knownHosts, 'utf8').replace(String(server.port), String(proxy.port)))
    const place = [`--path=${join(scratch(), 'repository')}`, '--host=127.0.0.1', `--port=${proxy.port}`, `--username=${server.username}`]
    await home.ok('repository', 'create', 'sftp', ...place, `--keyfile=${server.keyfile}`, `--known-hosts=${knownHosts}`)
    const set = (name?: string) => {
      proxy.plan = (name === undefined ? undefined : lineTroubles[name]) ?? (() => undefined)
    }
    line = { home, source: home.path('source'), faults: proxy.faults, set }
  })
  afterAll(async () => {
    for (const end of ends) await end()
  })
  endRight(Object.keys(lineTroubles), () => line)
})
