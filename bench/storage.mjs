#!/usr/bin/env node
// Snapshot and restore to servers on loopback: Kura beside Kopia (KOPIA_EXE) and beside rclone (and on SFTP OpenSSH's own client)
// copying the same bytes, round by round.
//   node bench/storage.mjs [--mb 400] [--rounds 3] [--servers s3,sftp,webdav] [--folder DIR]
// Prints medians of wall time, of CPU seconds of the client per GB, and ratios. S3 needs scripts/install-servers, SFTP OpenSSH's server, WebDAV
// rclone. What a busy machine does to wall times it does not do to CPU seconds: compare those.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { measure, median } from './measure.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const { values } = parseArgs({
  options: {
    mb: { type: 'string', default: '400' },
    rounds: { type: 'string', default: '3' },
    servers: { type: 'string', default: 's3,sftp,webdav' },
    folder: { type: 'string', default: tmpdir() },
  },
})
// rclone cannot have it together with authorities of its own.
process.env.AWS_CA_BUNDLE = ''
const bytes = Number(values.mb) * 1e6
const place = mkdtempSync(join(values.folder, 'kura-bench-storage-'))
const children = []
process.on('exit', () => {
  for (const child of children) child.kill()
  rmSync(place, { recursive: true, force: true })
})

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })

const answers = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    }).on('error', () => resolve(false))
  })

async function serve(port, command, args, env = {}) {
  children.push(spawn(command, args, { stdio: 'ignore', env: { ...process.env, ...env } }))
  for (let i = 0; i < 400; i++) {
    if (await answers(port)) return
    await sleep(50)
  }
  throw new Error(`${command} does not listen on port ${port}`)
}

/** Each starts a server and tells, for a fresh place `n` on it, the flags of Kopia and Kura and the remote of rclone. */
const servers = {
  async s3() {
    const script = join(root, 'build/servers/node_modules/s3rver/bin/s3rver.js')
    if (!existsSync(script)) throw new Error('scripts/install-servers has not been run')
    const port = await freePort()
    // Kopia sends plain HTTP in signed pieces, which s3rver keeps as they are: so TLS.
    const [key, cert] = [join(place, 'key.pem'), join(place, 'cert.pem')]
    const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert]
    execFileSync('openssl', [...kind, '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'], { stdio: 'ignore' })
    const data = [
      '-d',
      join(place, 's3'),
      '-a',
      '127.0.0.1',
      '-p',
      String(port),
      '--configure-bucket',
      'bench',
      '--key',
      key,
      '--cert',
      cert,
    ]
    await serve(port, process.execPath, ['--no-deprecation', script, ...data])
    const common = ['--bucket=bench', `--endpoint=127.0.0.1:${port}`, `--root-ca-pem-path=${cert}`, '--region=us-east-1']
    return (n) => ({
      flags: ['s3', ...common, '--access-key=S3RVER', '--secret-access-key=S3RVER', `--prefix=${n}/`],
      remote: `:s3,provider=Other,access_key_id=S3RVER,secret_access_key=S3RVER,region=us-east-1,endpoint='https://127.0.0.1:${port}':bench/${n}`,
      extra: [`--ca-cert=${cert}`],
    })
  },
  async sftp() {
    const port = await freePort()
    const at = (name) => join(place, name)
    for (const name of ['hostkey', 'id']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)])
    const lines = [`Port ${port}`, 'ListenAddress 127.0.0.1', `HostKey ${at('hostkey')}`, `AuthorizedKeysFile ${at('id.pub')}`]
    writeFileSync(
      at('sshd_config'),
      [...lines, 'StrictModes no', 'UsePAM no', 'PidFile none', 'Subsystem sftp internal-sftp', ''].join('\n'),
    )
    writeFileSync(at('known_hosts'), `[127.0.0.1]:${port} ${readFileSync(at('hostkey.pub'), 'utf8')}`)
    if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true })
    await serve(port, '/usr/sbin/sshd', ['-D', '-f', at('sshd_config')])
    const user = userInfo().username
    return (n) => ({
      flags: [
        ...['sftp', '--host=127.0.0.1', `--port=${port}`, `--username=${user}`, `--path=${at(n)}`],
        ...[`--keyfile=${at('id')}`, `--known-hosts=${at('known_hosts')}`],
      ],
      remote: `:sftp,host=127.0.0.1,port=${port},user=${user},key_file='${at('id')}',known_hosts_file='${at('known_hosts')}',disable_hashcheck=true:${at(n)}`,
      folder: at(n),
      ssh: [
        '-q',
        '-P',
        String(port),
        '-i',
        at('id'),
        '-o',
        `UserKnownHostsFile=${at('known_hosts')}`,
        '-o',
        'IdentitiesOnly=yes',
        `${user}@127.0.0.1`,
      ],
    })
  },
  async webdav() {
    const port = await freePort()
    mkdirSync(join(place, 'dav'))
    await serve(port, 'rclone', ['serve', 'webdav', '--addr', `127.0.0.1:${port}`, join(place, 'dav')])
    return async (n) => {
      // Kopia makes no root. Made by the server, for it has looked already.
      await fetch(`http://127.0.0.1:${port}/${n}`, { method: 'MKCOL' })
      return { flags: ['webdav', `--url=http://127.0.0.1:${port}/${n}`], remote: `:webdav,url='http://127.0.0.1:${port}/${n}':` }
    }
  },
}

const env = (work) => ({
  KOPIA_CONFIG_PATH: join(work, 'repository.config'),
  KOPIA_CACHE_DIRECTORY: join(work, 'cache'),
  KOPIA_LOG_DIR: join(work, 'logs'),
  KOPIA_PASSWORD: 'bench',
  KOPIA_CHECK_FOR_UPDATES: 'false',
})
const backup = (exe) => ({
  store: (work, source, { flags }) => {
    measure(exe, ['repository', 'create', ...flags], env(work))
    return measure(exe, ['snapshot', 'create', '--no-progress', source], env(work))
  },
  fetch: (work, source, _storage, target) => {
    rmSync(join(work, 'cache'), { recursive: true, force: true })
    return measure(exe, ['restore', '--no-progress', source, target], env(work))
  },
})
const rclone = {
  store: (_work, source, { remote, extra = [] }) => measure('rclone', ['copy', '-q', ...extra, source, remote]),
  fetch: (_work, _source, { remote, extra = [] }, target) => measure('rclone', ['copy', '-q', ...extra, remote, target]),
}
/** OpenSSH's own client copies the files; only where there is SFTP. */
const copied = (work, ssh, line) => {
  const batch = join(work, 'batch')
  writeFileSync(batch, `${line}\n`)
  return measure('sftp', ['-b', batch, ...ssh])
}
const openssh = {
  store: (work, source, { ssh, folder }) => copied(work, ssh, `put -r ${source} ${folder}`),
  fetch: (work, _source, { ssh, folder }, target) => copied(work, ssh, `get -r ${folder} ${target}`),
}
const peers = { kura: backup(join(root, 'dist/kura')) }
if (process.env.KOPIA_EXE) peers.kopia = backup(process.env.KOPIA_EXE)
if (spawnSync('rclone', ['version'], { stdio: 'ignore' }).status === 0) peers.rclone = rclone

const source = join(place, 'source')
mkdirSync(source)
const part = Buffer.allocUnsafe(Math.min(bytes, 20e6))
for (let i = 0; i * part.length < bytes; i++) writeFileSync(join(source, `file-${i}`), randomFillSync(part))

for (const name of values.servers.split(',')) {
  const storageOf = await servers[name]()
  const rows = { store: {}, fetch: {} }
  for (let round = 0; round < Number(values.rounds); round++)
    for (const [peer, { store, fetch }] of Object.entries(name === 'sftp' ? { ...peers, openssh } : peers)) {
      const work = join(place, 'work')
      mkdirSync(work)
      const storage = await storageOf(`${peer}${round}`)
      const target = join(work, 'target')
      ;(rows.store[peer] ??= []).push(store(work, source, storage))
      ;(rows.fetch[peer] ??= []).push(fetch(work, source, storage, target))
      execFileSync('diff', ['-rq', source, target])
      rmSync(work, { recursive: true })
    }
  for (const [what, row] of Object.entries(rows)) {
    console.log(
      `${name}: ${what === 'store' ? 'snapshot' : 'restore'} of ${values.mb} MB, medians of ${values.rounds}; in brackets the figure divided by Kura's`,
    )
    const of = (peer, key) => median(row[peer].map((r) => r[key]))
    for (const peer of Object.keys(row)) {
      const ratio = (key) => (peer === 'kura' ? '' : ` (${(of(peer, key) / of('kura', key)).toFixed(2)}×)`)
      const speed = `${(bytes / 1e6 / of(peer, 'wall')).toFixed(0)} MB/s`
      console.log(
        `  ${peer.padEnd(7)} ${speed.padStart(8)}${ratio('wall')}  CPU ${((of(peer, 'cpu') / bytes) * 1e9).toFixed(2)} s/GB${ratio('cpu')}  memory ${Math.round(of(peer, 'rss') / 1e6)} MB`,
      )
    }
  }
}
process.exit(0)
