import { type ChildProcess, execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type FakeService, fakeService } from '../support/fake-service.ts'
import { KuraHome, type KuraRun } from '../support/kura.ts'
import { scratchFolders } from '../support/scratch.ts'
import { ended, endOf, until } from '../support/wait.ts'
import { type FaultProxy, faultProxy } from './fault-proxy.ts'
import { azureAccount, startMoto, type TestServer, whyNoServers } from './object-stores.ts'
import { freePort, type Sshd, startSshd } from './sshd.ts'
import { type DavServer, davPassword, davUser, startLighttpd } from './webdav.ts'

const scratch = scratchFolders()
const secrets = {
  password: 'rep0sitory-s3cret',
  s3Secret: 's3-s3cret-key-0123456789',
  s3Token: 's3-s3ssion-t0ken-0123456789',
  dav: davPassword,
  sftp: 'sftp-s3cret-passw0rd',
  azureKey: Buffer.from('azure-s3cret-key-0123456789').toString('base64'),
  azureSas: 'azure-s1gnature-0123456789',
  b2: 'b2-s3cret-key-0123456789',
  rcloneObscured: 'rclone-0bscured-s3cret',
  push: 'push-s3cret-passw0rd',
}

const homes: KuraHome[] = []
const person = (extra: NodeJS.ProcessEnv = {}): KuraHome => {
  const home = new KuraHome(secrets.password, extra)
  homes.push(home)
  return home
}
let sshd: Sshd
let dav: DavServer
let gateway: FakeService
let moto: TestServer | undefined
let proxy: FaultProxy | undefined
beforeAll(async () => {
  gateway = await fakeService(() => ({}))
  ;[sshd, dav] = await Promise.all([startSshd(scratch()), startLighttpd(scratch(), 'basic', false)])
  if (whyNoServers) return
  moto = await startMoto()
  proxy = await faultProxy(moto.port)
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' }
  const s3 = new S3Client({ endpoint: `http://127.0.0.1:${moto.port}`, region: 'us-east-1', forcePathStyle: true, credentials })
  await s3.send(new CreateBucketCommand({ Bucket: 'kura-secrets' }))
  s3.destroy()
})
afterAll(async () => {
  for (const home of homes) home.remove()
  sshd?.stop()
  dav?.stop()
  await gateway?.stop()
  await proxy?.stop()
  await moto?.stop()
})

/** Everything that a home's commands have written where others may read it: logs, caches, state; not the configuration, which holds them. */
function written(home: KuraHome): string {
  const files = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((e) => e.isFile())
      .map((e) => join(e.parentPath, e.name))
  return files(home.root)
    .filter((path) => !path.includes('/config/') && !path.includes('/source/'))
    .map((path) => `${path}\n${readFileSync(path, 'latin1')}`)
    .join('\n')
}

function expectNoSecrets(text: string, where: string): void {
  for (const [name, secret] of Object.entries(secrets)) {
    expect(text.includes(secret), `the secret ${name} in ${where}`).toBe(false)
    // Basic logins carry it as it is.
    expect(text.includes(Buffer.from(`${davUser}:${secret}`).toString('base64').slice(8, 40)), `${name} in base64 in ${where}`).toBe(false)
  }
}

const everything = ['--log-level=debug', '--file-log-level=debug']

/** Metrics in a file of the home and to the gateway. */
const measured = (home: KuraHome): readonly string[] => [
  ...['--metrics-store-on-exit', `--diagnostics-output-directory=${home.path('diagnostics')}`],
  ...[`--metrics-push-addr=${gateway.url}`, '--metrics-push-username=pusher', `--metrics-push-password=${secrets.push}`],
]

/** What the gateway was told, but for the login, which is for it. */
const pushed = (): string => gateway.requests.map(({ path, query, body }) => `${path}?${query}\n${body.toString('latin1')}`).join('\n')

/** Creates, snapshots, looks at the status and lists; returns all that was printed. */
async function day(home: KuraHome, flags: readonly string[]): Promise<string> {
  const source = home.path('source')
  mkdirSync(source)
  writeFileSync(join(source, 'file'), 'content')
  const runs: KuraRun[] = []
  for (const words of [
    ['repository', 'create', ...flags],
    ['snapshot', 'create', source],
    ['repository', 'status'],
    ['repository', 'status', '--json'],
    ['repository', 'throttle', 'get'],
    ['blob', 'list'],
  ])
    runs.push(await home.run(...words, ...everything, ...measured(home)))
  for (const run of runs) expect(run.status, run.stderr).toBe(0)
  for (const metrics of [pushed(), written(home)]) expect(metrics).toMatch(/^kopia_blob_upload_bytes_total [1-9]/m)
  expectNoSecrets(pushed(), 'pushed metrics')
  return runs.map((run) => run.stdout + run.stderr).join('\n')
}

test.skipIf(whyNoServers !== undefined)('S3: neither log nor message nor status has the keys, not even of requests that fail', async () => {
  const home = person()
  const flags = ['s3', '--bucket=kura-secrets', `--endpoint=127.0.0.1:${proxy?.port}`, '--disable-tls', '--access-key=visible-id']
  const keys = [`--secret-access-key=${secrets.s3Secret}`, `--session-token=${secrets.s3Token}`]
  let said = await day(home, [...flags, ...keys])
  if (proxy) proxy.plan = () => ({ kind: 'status', status: 403, body: '<Error><Code>SignatureDoesNotMatch</Code></Error>' })
  const failed = await home.run('snapshot', 'list', ...everything)
  if (proxy) proxy.plan = (r) => (r.index % 2 ? { kind: 'cut answer', afterBytes: 3 } : undefined)
  const cut = await home.run('snapshot', 'list', ...everything)
  if (proxy) proxy.plan = () => undefined
  expect(failed.status).toBe(1)
  said += failed.stderr + cut.stderr
  expectNoSecrets(said, 'what was printed')
  expectNoSecrets(written(home), 'files')
})

test('WebDAV and SFTP: neither log nor message nor status has passwords and keys', async () => {
  const home = person({ KOPIA_WEBDAV_PASSWORD: secrets.dav })
  expectNoSecrets(await day(home, ['webdav', `--url=${dav.url}repo`, `--webdav-username=${davUser}`]), 'what was printed')
  expectNoSecrets(written(home), 'files')
  const other = person()
  const place = ['sftp', '--host=127.0.0.1', `--port=${sshd.port}`, `--username=${sshd.username}`, `--path=${join(scratch(), 'repo')}`]
  const said = await day(other, [...place, `--keyfile=${sshd.keyfile}`, `--known-hosts=${sshd.knownHosts}`, '--embed-credentials'])
  const key = readFileSync(sshd.keyfile, 'utf8').split('\n')[2] as string
  const refused = await other.run('repository', 'connect', ...place, `--sftp-password=${secrets.sftp}`, `--known-hosts=${sshd.knownHosts}`)
  expect(refused.status).toBe(1)
  for (const text of [said, refused.stderr, written(other)]) {
    expectNoSecrets(text, 'SFTP')
    expect(text.includes(key)).toBe(false)
  }
})

test('rclone: its children have no secret among their arguments, nor is its configuration shown', async () => {
  const home = person()
  const folder = scratch()
  const conf = home.path('rclone.conf')
  writeFileSync(conf, `[there]\ntype = alias\nremote = ${folder}\npass = ${secrets.rcloneObscured}\n`)
  const said = await day(home, ['rclone', '--remote-path=there:', `--embed-rclone-config=${conf}`])
  writeFileSync(conf, '')
  expectNoSecrets(said, 'what was printed')
  const at = home.path('mounted')
  mkdirSync(at)
  const metrics = await freePort()
  const child = home.start('mount', 'all', at, '--read-only', ...everything, `--metrics-listen-addr=127.0.0.1:${metrics}`)
  const end = ended(child)
  let told = ''
  child.stderr?.on('data', (data: Buffer) => {
    told += data.toString()
  })
  try {
    await until('the mount', () => readdirSync(at).length > 0 || child.exitCode !== null)
    const lines = familyOf(child).map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'latin1'))
    expect(lines.some((line) => line.includes('rclone'))).toBe(true)
    expectNoSecrets(lines.join('\n'), 'arguments')
    const served = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()
    expect(served).toMatch(/^kopia_blob_storage_latency_ms_count/m)
    expectNoSecrets(served, 'served metrics')
  } finally {
    await home.run('unmount', at)
    await endOf(child, end)
  }
  expectNoSecrets(told, 'what the mount said')
  expectNoSecrets(written(home), 'files')
})

/** A process and all below it. */
function familyOf(child: ChildProcess): number[] {
  const all = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number])
  const family = [child.pid as number]
  for (const parent of family) family.push(...all.filter(([, ppid]) => ppid === parent).map(([pid]) => pid))
  return family
}

test.each([
  ['azure', ['--container=none', `--storage-account=${azureAccount}`, '--storage-domain=127.0.0.1:1', `--storage-key=${secrets.azureKey}`]],
  ['azure', ['--container=none', '--storage-account=none', '--storage-domain=127.0.0.1:1', `--sas-token=sv=1&sig=${secrets.azureSas}`]],
  ['webdav', ['--url=http://127.0.0.1:1/', `--webdav-username=${davUser}`, `--webdav-password=${secrets.dav}`]],
  ['webdav', [`--url=http://${davUser}:${secrets.dav}@127.0.0.1:1/`]],
  ['s3', ['--bucket=b', '--endpoint=127.0.0.1:1', '--region=r', '--access-key=a', `--secret-access-key=${secrets.s3Secret}`]],
  ['sftp', ['--host=127.0.0.1', '--port=1', '--username=u', '--path=/x', `--sftp-password=${secrets.sftp}`, '--known-hosts-data=x y z']],
])('%s %j: what cannot be reached is said without the secret', async (kind, flags) => {
  const home = person()
  const run = await home.run('repository', 'connect', kind, ...flags, ...everything)
  expect(run.status).toBe(1)
  expectNoSecrets(run.stdout + run.stderr, 'what was printed')
  expectNoSecrets(written(home), 'files')
})
