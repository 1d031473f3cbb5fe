import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { repositoryRoot } from '../support/shared.ts'
import { freePort } from './sshd.ts'

/** A server of the tests, in a folder of its own, on a loopback port of its own. */
export interface TestServer {
  readonly port: number
  stop(): Promise<void>
}

const place = join(repositoryRoot, 'build/servers')
/** Reason to skip, or undefined when scripts/install-servers has been run. */
export const whyNoServers = existsSync(join(place, '.installed')) ? undefined : 'scripts/install-servers has not been run'

/** Object storage of Amazon, emulated: versions, locks, roles. Takes any keys. */
export const startMoto = (extra: readonly string[] = []): Promise<TestServer> =>
  start((port) => [
    join(place, 'python/bin/python'),
    join(place, 'python/bin/moto_server'),
    '-H',
    '127.0.0.1',
    '-p',
    String(port),
    ...extra,
  ])

/** A small S3 server that checks signatures; key and secret are `S3RVER`. */
export const startS3rver = (extra: readonly string[] = []): Promise<TestServer> =>
  start((port, folder) => [
    process.execPath,
    '--no-deprecation',
    join(place, 'node_modules/s3rver/bin/s3rver.js'),
    ...['-d', folder, '-a', '127.0.0.1', '-p', String(port), '--configure-bucket', 'kura-test', ...extra],
  ])

/** The account of azurite, and the key that Azure publishes for it. */
export const azureAccount = 'devstoreaccount1'
export const azurePublicKey = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='

/** Azure's own emulator of its blob service. */
export const startAzurite = (): Promise<TestServer> =>
  start((port) => [
    process.execPath,
    join(place, 'node_modules/azurite/dist/src/blob/main.js'),
    ...['--blobHost', '127.0.0.1', '--blobPort', String(port), '--inMemoryPersistence'],
    ...['--silent', '--skipApiVersionCheck', '--disableTelemetry'],
  ])

// Its queue of 5 waiting connections makes parallel clients wait for seconds.
const withLongQueue =
  'import socketserver; socketserver.TCPServer.request_queue_size = 128; from gcp_storage_emulator.__main__ import main; main()'

/** An emulator of Google's storage, in memory. */
export const startGoogle = (): Promise<TestServer> =>
  start((port) => [
    ...[join(place, 'python/bin/python'), '-c', withLongQueue],
    ...['start', '--host', '127.0.0.1', '--port', String(port), '--in-memory', '--default-bucket', 'kura-test', '--quiet'],
  ])

async function start(command: (port: number, folder: string) => readonly string[]): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), 'kura-server-'))
  const port = await freePort()
  const [program = '', ...args] = command(port, folder)
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4000)
  })
  const stop = async () => {
    await ended(child)
    rmSync(folder, { recursive: true, force: true })
  }
  for (let i = 0; i < 2400; i++) {
    if (child.exitCode !== null) break
    if (await answers(port)) return { port, stop }
    await sleep(50)
  }
  await stop()
  throw new Error(`${program} ${args.join(' ')} did not start:\n${said}`)
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill()
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000)
  await gone
  clearTimeout(timer)
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
