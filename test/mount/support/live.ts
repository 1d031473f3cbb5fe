import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, lstatSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { repositoryRoot } from '../../support/shared.ts'

export interface MountEvent {
  readonly event: string
  readonly line?: string
  readonly message?: string
  readonly count?: number
}

/** Why live mounts cannot be tested here, or undefined. */
export const whyNoLiveMounts: string | undefined =
  process.platform !== 'linux'
    ? 'not Linux'
    : !existsSync('/dev/fuse')
      ? 'no /dev/fuse'
      : process.geteuid?.() !== 0
        ? 'not root'
        : undefined

export const isFuseNativeThere = (() => {
  try {
    createRequire(import.meta.url)('fuse-native')
    return true
  } catch {
    return false
  }
})()

/** A mount served by a process of its own. */
export class LiveMount {
  readonly events: MountEvent[] = []
  private readonly waiters: (() => void)[] = []
  readonly exited: Promise<number | null>
  tree: string

  constructor(
    readonly process: ChildProcess,
    readonly mountPoint: string,
  ) {
    this.tree = join(mountPoint, 'user@host/src_tree/20231114-221320')
    createInterface({ input: process.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.events.push(JSON.parse(line) as MountEvent)
      for (const wake of this.waiters.splice(0)) wake()
    })
    this.exited = new Promise((resolve) => {
      process.once('exit', (status) => {
        resolve(status)
        for (const wake of this.waiters.splice(0)) wake()
      })
    })
  }

  async event(name: string): Promise<MountEvent> {
    for (;;) {
      const found = this.events.find((e) => e.event === name)
      if (found !== undefined) return found
      if (this.process.exitCode !== null || this.process.signalCode !== null)
        throw new Error(`the server ended without "${name}": ${JSON.stringify(this.events)}`)
      await new Promise<void>((resolve) => this.waiters.push(resolve))
    }
  }

  order(order: object): void {
    this.process.stdin?.write(`${JSON.stringify(order)}\n`)
  }
}

export interface ServeOptions {
  readonly folder?: string
  readonly repository?: string
  readonly password?: string
  readonly target?: string
  readonly driver?: string
  readonly options?: object
  readonly trace?: boolean
  readonly broken?: readonly string[]
  readonly startNs?: string
  readonly mountPoint?: string
  readonly spool?: string
  readonly sources?: readonly string[]
  readonly xattrs?: 'refuse' | 'stage'
  readonly env?: NodeJS.ProcessEnv
  /** Serve as the user nobody, with a /dev/fuse that everybody may open (in a mount namespace of its own). */
  readonly asNobody?: boolean
}

/** Builds the server once per test file; returns a function that starts mounts. What a test leaves mounted is taken down after it. */
export function liveMounts(): (options: ServeOptions) => Promise<LiveMount> {
  let place = ''
  const built = join(repositoryRoot, 'build', `serve-${randomUUID()}`)
  const started: LiveMount[] = []
  beforeAll(() => {
    place = mkdtempSync(join(tmpdir(), 'kura-live-'))
    execFileSync('chmod', ['755', place])
    const input = join(repositoryRoot, 'test/mount/support/serve.ts')
    execFileSync('npx', ['rolldown', input, '-d', built, '--platform', 'node', '--external', 'ssh2', '--external', 'cpu-features'], {
      cwd: repositoryRoot,
      stdio: 'ignore',
    })
  })
  afterEach(() => {
    for (const mount of started.splice(0)) {
      mount.process.kill('SIGKILL')
      spawnSync('umount', ['-l', mount.mountPoint], { stdio: 'ignore' })
    }
  })
  afterAll(() => {
    rmSync(built, { recursive: true, force: true })
    rmSync(place, { recursive: true, force: true })
  })
  return async (options) => {
    const mountPoint = options.mountPoint ?? mkdtempSync(join(place, 'mount-'))
    const server = join(built, 'serve.js')
    const orders = JSON.stringify({ ...options, env: undefined, mountPoint })
    const [command, args] = options.asNobody ? nobody(place, mountPoint, server, orders) : [process.execPath, [server, orders]]
    const child = spawn(command, args, { env: { ...process.env, ...options.env }, stdio: ['pipe', 'pipe', 'inherit'] })
    const mount = new LiveMount(child, mountPoint)
    started.push(mount)
    await mount.event('mounted')
    return mount
  }
}

function nobody(place: string, mountPoint: string, server: string, orders: string): [string, string[]] {
  const device = join(place, 'fuse-device')
  const script = `
    set -e
    [ -e ${device} ] || mknod -m 666 ${device} c 10 229
    mount --bind ${device} /dev/fuse
    chown nobody ${mountPoint}
    exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"`
  return ['unshare', ['-m', 'sh', '-c', script, 'sh', process.execPath, server, orders]]
}

/** Runs a program without blocking; resolves with status and output. */
export function run(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string } = {},
): Promise<{ readonly status: number; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    execFile(command, args, { ...options, maxBuffer: 1 << 28, encoding: 'utf8' }, (error, stdout, stderr) => {
      resolve({ status: error ? Number(error.code ?? 1) : 0, stdout, stderr })
    })
  })
}

export const isMounted = (path: string): boolean => readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${path} `)

export const exists = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined
