import { mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { unpackFixture } from '../support/fixtures.ts'
import { KuraHome } from '../support/kura.ts'
import { scratchFolders } from '../support/scratch.ts'
import { contentBytes } from '../support/source-tree.ts'
import { listAsRestored, listTree } from '../support/tree-listing.ts'
import { ended, until } from '../support/wait.ts'
import { startMoto, type TestServer, whyNoServers } from './object-stores.ts'
import { type Sshd, startSshd } from './sshd.ts'
import { type DavServer, davPassword, davUser, startLighttpd } from './webdav.ts'

const scratch = scratchFolders()
const home = new KuraHome('test-password', { KOPIA_WEBDAV_USERNAME: davUser, KOPIA_WEBDAV_PASSWORD: davPassword })
const source = home.path('source')
let sshd: Sshd
let dav: DavServer
let moto: TestServer | undefined
const homes: KuraHome[] = [home]

beforeAll(async () => {
  sshd = await startSshd(scratch())
  dav = await startLighttpd(scratch(), 'basic', false)
  mkdirSync(join(source, 'sub'), { recursive: true })
  for (let i = 0; i < 20; i++) writeFileSync(join(source, `sub/file-${i}`), contentBytes({ gen: 'random', seed: i, size: 20_000 }))
  writeFileSync(join(source, 'large'), contentBytes({ gen: 'random', seed: 99, size: 30_000_000 }))
  await home.ok('repository', 'create', 'filesystem', '--path', home.path('repository'))
  await home.ok('snapshot', 'create', source)
  // A server that keeps whole seconds calls a copy older than what was written in the second in which it was copied.
  const minuteAgo = Date.now() / 1000 - 60
  for (const e of readdirSync(home.path('repository'), { recursive: true, withFileTypes: true }))
    if (e.isFile()) utimesSync(join(e.parentPath, e.name), minuteAgo, minuteAgo)
})
afterAll(async () => {
  sshd?.stop()
  dav?.stop()
  await moto?.stop()
  for (const one of homes) one.remove()
})

const sftp = (path: string) => [
  ...['sftp', `--path=${path}`, '--host=127.0.0.1', `--port=${sshd.port}`, `--username=${sshd.username}`],
  ...[`--keyfile=${sshd.keyfile}`, `--known-hosts=${sshd.knownHosts}`],
]

/** Restores the newest snapshot out of a mirror, as somebody who has nothing else. */
async function restoredFrom(storage: readonly string[]): Promise<Record<string, string>> {
  const other = new KuraHome('test-password', { KOPIA_WEBDAV_USERNAME: davUser, KOPIA_WEBDAV_PASSWORD: davPassword })
  homes.push(other)
  await other.ok('repository', 'connect', ...storage)
  const target = other.path('restored')
  await other.ok('restore', source, target)
  return listTree(target)
}

/** Whole blobs of a sharded storage. */
const blobsBelow = (path: string): number =>
  readdirSync(path, { recursive: true, withFileTypes: true }).filter((e) => e.isFile() && e.name.endsWith('.f')).length

describe('sync-to', () => {
  test.each<[string, () => readonly string[]]>([
    ['an SFTP server', () => sftp(join(scratch(), 'mirror'))],
    ['a WebDAV server', () => ['webdav', `--url=${dav.url}`]],
    ['whatever rclone reaches', () => ['rclone', `--remote-path=${scratch()}`]],
    ['a folder', () => ['filesystem', '--path', scratch()]],
  ])('makes a mirror on %s that restores, and finds it in sync afterwards', async (_where, storage) => {
    const flags = storage()
    const first = await home.run('repository', 'sync-to', ...flags, '--parallel=4')
    expect(first.stderr).toMatch(/Found \d+ BLOBs to copy/)
    expect([first.status, first.stdout]).toEqual([0, ''])
    expect(await restoredFrom(flags)).toEqual(listAsRestored(source))
    const second = await home.run('repository', 'sync-to', ...flags, '--must-exist', '--delete')
    expect(second.stderr).toMatch(/Found 0 BLOBs to copy/)
    expect(second.status).toBe(0)
  })

  /** A place for a mirror, and how many blobs lie there. */
  const interrupted: Readonly<Record<string, () => Promise<{ flags: readonly string[]; count: () => Promise<number> }>>> = {
    async 'an SFTP server'() {
      const path = join(scratch(), 'mirror')
      mkdirSync(path)
      return { flags: sftp(path), count: async () => blobsBelow(path) }
    },
    async 'a WebDAV server'() {
      mkdirSync(join(dav.root, 'killed'))
      return { flags: ['webdav', `--url=${dav.url}killed`], count: async () => blobsBelow(join(dav.root, 'killed')) }
    },
    async S3() {
      moto = await startMoto()
      const credentials = { accessKeyId: 'a', secretAccessKey: 'b' }
      const s3 = new S3Client({ endpoint: `http://127.0.0.1:${moto.port}`, region: 'us-east-1', forcePathStyle: true, credentials })
      await s3.send(new CreateBucketCommand({ Bucket: 'kura-mirror' }))
      const keys = ['--access-key=a', '--secret-access-key=b', '--region=us-east-1']
      const flags = ['s3', '--bucket=kura-mirror', `--endpoint=127.0.0.1:${moto.port}`, '--disable-tls', ...keys]
      return { flags, count: async () => (await s3.send(new ListObjectsV2Command({ Bucket: 'kura-mirror' }))).KeyCount ?? 0 }
    },
  }
  const places = Object.keys(interrupted).filter((place) => place !== 'S3' || whyNoServers === undefined)

  test.each(places)('goes on where it was killed: %s', async (place) => {
    const { flags, count } = await (interrupted[place] as (typeof interrupted)[string])()
    const child = home.start('repository', 'sync-to', ...flags)
    const end = ended(child)
    await until('three blobs', async () => child.exitCode !== null || (await count()) >= 3, 5)
    child.kill('SIGKILL')
    await end
    expect(await count()).toBeGreaterThanOrEqual(3)
    const rest = await home.run('repository', 'sync-to', ...flags)
    expect(rest.status).toBe(0)
    expect(Number(/(\d+) in sync/.exec(rest.stderr)?.[1])).toBeGreaterThanOrEqual(2)
    expect(await restoredFrom(flags)).toEqual(listAsRestored(source))
  })

  test('refuses what holds another repository, and a folder that is not there', async () => {
    const other = new KuraHome()
    homes.push(other)
    const path = other.path('theirs')
    await other.ok('repository', 'create', 'filesystem', '--path', path)
    const refused = await home.run('repository', 'sync-to', 'filesystem', '--path', path, '--delete')
    expect(refused.status).toBe(1)
    expect(refused.stderr).toMatch(/holds another repository/)
    await other.ok('snapshot', 'list')
    const missing = await home.run('repository', 'sync-to', 'filesystem', '--path', join(path, 'missing'))
    expect(missing.stderr).toMatch(/cannot access the storage folder/)
    const absent = await home.run('repository', 'sync-to', 'filesystem', '--path', scratch(), '--must-exist')
    expect(absent.stderr).toMatch(/holds no repository/)
  })

  test('takes the target from a token', async () => {
    const path = join(scratch(), 'mirror')
    await home.ok('repository', 'sync-to', ...sftp(path))
    const other = new KuraHome()
    homes.push(other)
    await other.ok('repository', 'connect', ...sftp(path))
    const token = /--token (\S+)/.exec(await other.ok('repository', 'status', '--reconnect-token'))?.[1] as string
    const run = await home.run('repository', 'sync-to', 'from-config', `--token=${token}`, '-n')
    expect(run.stderr).toMatch(/Found 0 BLOBs to copy.*\n.*\n.*dry run/)
    expect(run.status).toBe(0)
  })
})

describe('throttle', () => {
  test('is shown, set, refused and lifted', async () => {
    expect(await home.ok('repository', 'throttle', 'get')).toBe(
      `${['Max Download Speed', 'Max Upload Speed', 'Max Read Requests Per Second', 'Max Write Requests Per Second', 'Max List Requests Per Second', 'Max Concurrent Reads', 'Max Concurrent Writes'].map((label) => `${`${label}:`.padEnd(30)} (unlimited)\n`).join('')}`,
    )
    await home.ok(
      'repository',
      'throttle',
      'set',
      '--upload-bytes-per-second=2500000',
      '--concurrent-reads=3',
      '--list-requests-per-second=1.5',
    )
    expect(await home.ok('repository', 'throttle', 'get')).toMatch(/Max Upload Speed: {14}2.5 MB\/s\n/)
    expect(JSON.parse(await home.ok('repository', 'throttle', 'get', '--json'))).toEqual({
      listsPerSecond: 1.5,
      maxUploadSpeedBytesPerSecond: 2_500_000,
      concurrentReads: 3,
    })
    for (const bad of ['--concurrent-reads=1.5', '--upload-bytes-per-second=-1', '--read-requests-per-second=many'])
      expect((await home.run('repository', 'throttle', 'set', '--concurrent-writes=9', bad)).status).toBe(1)
    expect((await home.run('repository', 'throttle', 'set')).status).toBe(0)
    await home.ok(
      'repository',
      'throttle',
      'set',
      '--upload-bytes-per-second=unlimited',
      '--concurrent-reads=-',
      '--list-requests-per-second=0',
    )
    expect(JSON.parse(await home.ok('repository', 'throttle', 'get', '--json'))).toEqual({})
  })

  test('that is lifted lets a running command go on', async () => {
    const slow = new KuraHome()
    homes.push(slow)
    await slow.ok('repository', 'create', 'filesystem', '--path', slow.path('repository'))
    await slow.ok('repository', 'throttle', 'set', '--upload-bytes-per-second=1000')
    const child = slow.start('snapshot', 'create', source)
    await sleep(3000)
    expect(child.exitCode).toBe(null)
    await slow.ok('repository', 'throttle', 'set', '--upload-bytes-per-second=unlimited')
    await ended(child)
    expect(child.exitCode).toBe(0)
  })
})

test('validate-provider finds an SFTP server fit, and leaves nothing there', async () => {
  const other = new KuraHome()
  homes.push(other)
  const path = join(scratch(), 'repo')
  await other.ok('repository', 'create', ...sftp(path))
  const files = () => readdirSync(path, { recursive: true }).filter((name) => String(name).endsWith('.f')).length
  const before = files()
  const run = await other.run('repository', 'validate-provider', '--concurrency-test-duration=2s', '--num-storage-connections=3')
  expect(run.stderr).toMatch(/All good\.\n(?:.*\n)*$/)
  expect(run.status).toBe(0)
  expect(files()).toBe(before)
})

test('repair puts the format blob of an old repository back, on a server, and only when it is allowed to', async () => {
  const fixture = unpackFixture('format-v1')
  const other = new KuraHome('fixture-password')
  homes.push(other)
  const file = join(fixture.path, 'kopia.repository.f')
  const original = readFileSync(file)
  rmSync(file)
  const refused = await other.run('repository', 'repair', ...sftp(fixture.path))
  expect(refused.stderr).toMatch(/--dangerous-commands/)
  expect(refused.status).toBe(1)
  const run = await other.run('repository', 'repair', ...sftp(fixture.path), '--dangerous-commands=enabled')
  expect(run.stderr).toMatch(/format blob was written/)
  expect(readFileSync(file).equals(original)).toBe(true)
  await other.ok('repository', 'connect', ...sftp(fixture.path))
  fixture.remove()
})
