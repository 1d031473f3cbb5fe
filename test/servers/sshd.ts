import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Sshd {
  readonly port: number
  readonly username: string
  readonly keyfile: string
  readonly knownHosts: string
  stop(): void
}

export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

/** Starts OpenSSH's server on loopback with keys of its own in `folder`. */
export async function startSshd(folder: string): Promise<Sshd> {
  const port = await freePort()
  const at = (name: string) => join(folder, name)
  for (const name of ['hostkey', 'id']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)])
  writeFileSync(at('authorized_keys'), readFileSync(at('id.pub')))
  const [type, key] = readFileSync(at('hostkey.pub'), 'utf8').split(' ')
  writeFileSync(at('known_hosts'), `[127.0.0.1]:${port} ${type} ${key}\n`)
  const lines = [
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
  writeFileSync(at('sshd_config'), `${lines.join('\n')}\n`)
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true })
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', at('sshd_config')], { stdio: 'ignore' })
  for (let i = 0; i < 100 && !(await answers(port)); i++) await sleep(50)
  return { port, username: userInfo().username, keyfile: at('id'), knownHosts: at('known_hosts'), stop: () => child.kill() }
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
