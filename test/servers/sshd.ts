import { execFileSync, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Sshd {
  /** Its own; there is room for repositories beside its keys. */
  readonly folder: string
  readonly port: number
  readonly username: string
  readonly keyfile: string
  readonly knownHosts: string
  /** Processes below the listener: sessions. */
  sessions(): number
  /** Ends every session; the listener goes on listening. */
  cut(): number
  stop(): void
}

const given = new Set<number>()

/** A port of loopback that nobody has now, and that the system gives to nobody who lets it choose: it chooses above 32768. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(12_000, 32_000)
    if (given.has(port)) continue
    given.add(port)
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer().once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (isFree) return port
  }
}

/** Makes a pair of keys in `folder` and lets it in; returns the private one's path. */
export function addKey(folder: string, name: string, ...options: string[]): string {
  const path = join(folder, name)
  execFileSync('ssh-keygen', ['-q', '-f', path, ...options])
  writeFileSync(join(folder, 'authorized_keys'), readFileSync(`${path}.pub`), { flag: 'a' })
  return path
}

/** Starts OpenSSH's server on loopback with keys of its own in `folder`. `lines`: more settings, which win. */
export async function startSshd(folder: string, lines: readonly string[] = []): Promise<Sshd> {
  const port = await freePort()
  const at = (name: string) => join(folder, name)
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at('hostkey')])
  const keyfile = addKey(folder, 'id', '-t', 'ed25519', '-N', '')
  const [type, key] = readFileSync(at('hostkey.pub'), 'utf8').split(' ')
  writeFileSync(at('known_hosts'), `[127.0.0.1]:${port} ${type} ${key}\n`)
  const settings = [
    ...lines,
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${at('hostkey')}`,
    `PidFile ${at('pid')}`,
    `AuthorizedKeysFile ${at('authorized_keys')}`,
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'PermitRootLogin prohibit-password',
    'Subsystem sftp internal-sftp',
  ]
  writeFileSync(at('sshd_config'), `${settings.join('\n')}\n`)
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true })
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', at('sshd_config')], { stdio: 'ignore' })
  await answering(port)
  const children = () => readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').split(' ').filter(Boolean)
  const cut = (): number => {
    const pids = children()
    for (const pid of pids) process.kill(Number(pid), 'SIGKILL')
    return pids.length
  }
  const sessions = () => children().length
  return { folder, port, username: userInfo().username, keyfile, knownHosts: at('known_hosts'), sessions, cut, stop: () => child.kill() }
}

/** Waits until something listens on a port of loopback. Throws when nothing does within two minutes. */
export async function answering(port: number): Promise<void> {
  for (let i = 0; i < 2400; i++) {
    if (await answers(port)) return
    await sleep(50)
  }
  throw new Error(`nothing listens on port ${port}`)
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })

/** A key in PKCS#8, made from a copy of an OpenSSH one. */
export function pkcs8Of(key: string): string {
  const copy = `${key}.pkcs8`
  copyFileSync(key, copy)
  execFileSync('chmod', ['600', copy])
  execFileSync('ssh-keygen', ['-q', '-p', '-N', '', '-m', 'PKCS8', '-f', copy])
  return copy
}
