import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { messageOf, systemCode } from '#base/errors.ts'
import { StorageError, TransientStorageError } from '../errors.ts'
import { loopbackCertificate } from './certificate.ts'
import type { RcloneOptions } from './options.ts'

/** What a started rclone is reached by. */
export interface RcloneAddress {
  readonly davUrl: string
  readonly controlUrl: string
  readonly username: string
  readonly password: string
  readonly fingerprint: string
}

const killAfterMs = 5000
const logLines = 20

/** An rclone that serves a remote as WebDAV on loopback, over TLS with a certificate of this run. Source: spec 04, 4.3.9. */
export class RcloneChild {
  #lastLines: string[] = []
  #ended: Promise<void>

  private constructor(
    private readonly process: ChildProcess,
    private readonly folder: string,
    readonly address: Promise<RcloneAddress>,
    private readonly secrets: readonly string[],
  ) {
    this.#ended = new Promise((resolve) => {
      process.once('close', () => resolve())
      process.once('error', () => resolve())
    })
  }

  /** Starts it and waits until it serves. Throws StorageError: no such program, ended at once (with its last words), too slow. */
  static async start(o: RcloneOptions, log: (line: string) => void = () => undefined): Promise<RcloneChild> {
    const folder = mkdtempSync(join(tmpdir(), 'kura-rclone-'))
    try {
      const child = RcloneChild.spawn(o, folder, log)
      await child.address.catch(async (error: unknown) => {
        await child.stop()
        throw error
      })
      return child
    } catch (error) {
      rmSync(folder, { recursive: true, force: true })
      throw error
    }
  }

  private static spawn(o: RcloneOptions, folder: string, log: (line: string) => void): RcloneChild {
    const { certificate, key, der } = loopbackCertificate()
    const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem'), config: join(folder, 'rclone.conf') }
    writeFileSync(files.cert, certificate, { mode: 0o600 })
    writeFileSync(files.key, key, { mode: 0o600 })
    if (o.embeddedConfig !== '') writeFileSync(files.config, o.embeddedConfig, { mode: 0o600 })
    const username = `u${randomUUID()}`
    const password = `p${randomUUID()}`
    const exe = o.rcloneExe || 'rclone'
    const own = o.rcloneEnv.length > 0 ? Object.fromEntries(o.rcloneEnv.map(assignment)) : process.env
    // Arguments can be read by every user of the machine, the environment cannot.
    const env = { ...own, RCLONE_USER: username, RCLONE_PASS: password, RCLONE_RC_USER: username, RCLONE_RC_PASS: password }
    // A group of its own: Ctrl-C is for us, who still have something to write.
    const started = spawn(exe, argumentsOf(o, files), { env, stdio: ['ignore', 'ignore', 'pipe'], detached: true })
    // rclone must not outlive us, whatever ends us short of SIGKILL.
    const onExit = () => started.kill('SIGKILL')
    process.once('exit', onExit)
    started.once('close', () => process.off('exit', onExit))
    const base = { username, password, fingerprint: createHash('sha256').update(der).digest('hex') }
    const secrets = [password, ...o.rcloneEnv.map((line) => line.slice(line.indexOf('=') + 1)).filter((value) => value.length > 3)]
    const child: RcloneChild = new RcloneChild(
      started,
      folder,
      new Promise((resolve, reject) => {
        const urls: { dav?: string | undefined; control?: string | undefined } = {}
        const fail = (error: StorageError) => {
          clearTimeout(timer)
          reject(error)
        }
        const timer = setTimeout(
          () => fail(new StorageError(`rclone was not ready after ${o.startupTimeoutMs / 1000} s. Use a longer --rclone-startup-timeout.`)),
          o.startupTimeoutMs,
        )
        started.once('error', (error) => fail(startError(error, exe)))
        started.once('close', () => fail(new StorageError(`rclone ended before it served ${o.remotePath}: ${child.lastWords()}`)))
        createInterface({ input: started.stderr as NonNullable<typeof started.stderr> }).on('line', (line) => {
          child.hear(line)
          if (o.debug) log(line)
          urls.dav ??= /webdav server started on \[?(https:\/\/[^\s\]]+)/i.exec(line)?.[1]
          urls.control ??= /serving remote control on \[?(https:\/\/[^\s\]]+)/i.exec(line)?.[1]
          if (!urls.dav || !urls.control) return
          clearTimeout(timer)
          resolve({ davUrl: urls.dav, controlUrl: urls.control, ...base })
        })
      }),
      secrets,
    )
    return child
  }

  get pid(): number | undefined {
    return this.process.pid
  }

  get hasEnded(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null
  }

  /** For calls that fail because rclone is gone. */
  endError(): StorageError {
    return new TransientStorageError(`rclone has ended: ${this.lastWords()}`)
  }

  /** Ends it, and removes its files. */
  async stop(): Promise<void> {
    if (!this.hasEnded) this.process.kill('SIGTERM')
    const timer = setTimeout(() => this.process.kill('SIGKILL'), killAfterMs)
    await this.#ended
    clearTimeout(timer)
    rmSync(this.folder, { recursive: true, force: true })
  }

  private hear(line: string): void {
    this.#lastLines = [...this.#lastLines.slice(1 - logLines), line]
  }

  private lastWords(): string {
    const line = this.#lastLines.findLast((text) => text.trim() !== '' && !text.includes('STATS:KOPIA')) ?? 'it said nothing'
    return this.secrets.reduce((text, secret) => text.replaceAll(secret, '***'), line.trim())
  }
}

function argumentsOf(o: RcloneOptions, files: { cert: string; key: string; config: string }): string[] {
  const tls = ['--cert', files.cert, '--key', files.key]
  // What must hold comes last, so that it wins.
  return [
    ...['-v', 'serve', 'webdav', o.remotePath, ...o.rcloneArgs],
    ...(o.embeddedConfig === '' ? [] : ['--config', files.config]),
    ...['--addr', '127.0.0.1:0', '--rc', '--rc-addr', '127.0.0.1:0', '--rc-cert', files.cert, '--rc-key', files.key, ...tls],
    ...['--stats', '1s', '--stats-one-line', '--stats-one-line-date-format=STATS:KOPIA', '--vfs-write-back=0s'],
  ]
}

function assignment(line: string): [string, string] {
  const cut = line.indexOf('=')
  return cut < 0 ? [line, ''] : [line.slice(0, cut), line.slice(cut + 1)]
}

const startError = (error: Error, exe: string): StorageError =>
  systemCode(error) === 'ENOENT'
    ? new StorageError(`cannot run "${exe}": there is no such program. Install rclone, or name it with --rclone-exe.`, { cause: error })
    : new StorageError(`cannot run "${exe}": ${messageOf(error)}`, { cause: error })
