#!/usr/bin/env node
// Looking around in a mounted snapshot whose repository is behind a slow line: an S3 server on loopback with a proxy in between that holds everything
// back for half the latency, in either direction.
//   node bench/far.mjs [--files 20000] [--folders 200] [--latency 50] [--folder DIR]
// Prints how long the first `ls -l` of one folder takes (the mount is new, the caches are empty), `find` over all of it, and `find` on a new mount with
// the caches that are there then; and how many requests each made. Needs scripts/install-servers.
import { execFile, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '20000' },
    folders: { type: 'string', default: '200' },
    latency: { type: 'string', default: '50' },
    folder: { type: 'string', default: tmpdir() },
  },
})
const place = mkdtempSync(join(values.folder, 'kura-bench-far-'))
const kura = join(root, 'dist/kura')
const run = promisify(execFile)
const halfMs = Number(values.latency) / 2

/** Passes bytes on after a while, in their order. Counts what goes up as requests: each begins a burst. */
let [requests, isSlow] = [0, false]
const pass = (from, to, isUp) => {
  from.on('data', (data) => {
    if (isUp && /^(?:GET|HEAD|PUT|POST|DELETE) /.test(data.toString('latin1', 0, 8))) requests++
    if (isSlow) setTimeout(() => to.writable && to.write(data), halfMs)
    else to.write(data)
  })
  from.on('error', () => to.destroy()).on('close', () => setTimeout(() => to.destroy(), halfMs))
}
const listening = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)))
const free = createServer()
const port = await listening(free)
free.close()
const proxy = createServer((near) => {
  const far = connect(port, '127.0.0.1')
  pass(near, far, true)
  pass(far, near, false)
})
const proxyPort = await listening(proxy)

const script = join(root, 'build/servers/node_modules/s3rver/bin/s3rver.js')
const server = spawn(
  process.execPath,
  ['--no-deprecation', script, '-d', join(place, 's3'), '-a', '127.0.0.1', '-p', String(port), '--configure-bucket', 'bench'],
  { stdio: 'ignore' },
)
const { NODE_EXTRA_CA_CERTS: _, ...clean } = process.env
const env = {
  ...clean,
  KOPIA_CONFIG_PATH: join(place, 'repository.config'),
  KOPIA_CACHE_DIRECTORY: join(place, 'cache'),
  KOPIA_LOG_DIR: join(place, 'logs'),
  KOPIA_PASSWORD: 'bench',
  AWS_ACCESS_KEY_ID: 'S3RVER',
  AWS_SECRET_ACCESS_KEY: 'S3RVER',
}
const at = join(place, 'mounted')
process.on('exit', () => {
  spawnSync(kura, ['unmount', at], { env, stdio: 'ignore' })
  server.kill()
  rmSync(place, { recursive: true, force: true })
})

const source = join(place, 'source')
const [files, folders] = [Number(values.files), Number(values.folders)]
for (let d = 0; d < folders; d++) {
  mkdirSync(join(source, `folder${d}`), { recursive: true })
  for (let f = 0; f < files / folders; f++) writeFileSync(join(source, `folder${d}`, `file${f}`), `file ${f} of folder ${d}\n`.repeat(20))
}
mkdirSync(at)
const waitForServer = async () => {
  const socket = connect(port, '127.0.0.1')
  const isUp = await new Promise((resolve) => socket.on('connect', () => resolve(true)).on('error', () => resolve(false)))
  socket.destroy()
  return isUp
}
while (!(await waitForServer())) await sleep(50)
const flags = ['s3', '--bucket=bench', `--endpoint=127.0.0.1:${proxyPort}`, '--disable-tls', '--region=us-east-1']
await run(kura, ['repository', 'create', ...flags], { env })
await run(kura, ['snapshot', 'create', '--no-progress', source], { env })
const [{ id }] = JSON.parse((await run(kura, ['snapshot', 'list', '--json'], { env })).stdout)
rmSync(join(place, 'cache'), { recursive: true, force: true })
isSlow = true

async function timed(what, work) {
  const before = requests
  const start = performance.now()
  await work()
  const ms = performance.now() - start
  console.log(`${what.padEnd(46)} ${ms.toFixed(0).padStart(6)} ms  ${String(requests - before).padStart(4)} requests`)
}
async function mounted(work) {
  const child = spawn(kura, ['mount', id, at], { env, stdio: 'ignore' })
  await timed('mount, until the root can be listed', async () => {
    while ((await run('ls', [at])).stdout === '') await sleep(20)
  })
  await work()
  await run(kura, ['unmount', at], { env })
  if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve))
}
const below =
  (command, ...args) =>
  () =>
    run(command, args, { cwd: at, maxBuffer: 1 << 28 })
console.log(`a snapshot of ${files} files in ${folders} folders, ${values.latency} ms away`)
await mounted(async () => {
  await timed('first ls -l of a folder', below('ls', '-l', 'folder57'))
  await timed('ls -l of another folder', below('ls', '-l', 'folder111'))
  await timed('find over all of it', below('find', '.', '-ls'))
})
await mounted(async () => {
  await timed('find on a new mount, metadata cached', below('find', '.', '-ls'))
})
process.exit(0)
