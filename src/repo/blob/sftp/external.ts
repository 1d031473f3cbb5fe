import { spawn } from 'node:child_process'
import { messageOf, systemCode } from '#base/errors.ts'
import { StorageError, TransientStorageError } from '../errors.ts'
import type { SftpOptions } from './options.ts'
import { SftpSession } from './session.ts'

const startTimeoutMs = 60_000
/** Flow control is the pipe's: the window of SSH channels never closes. */
const openWindow = Number.MAX_SAFE_INTEGER

/** Starts the ssh command of the options and speaks SFTP over its pipes; what it prints on stderr is passed through. Throws StorageError
 *  when the command is missing, TransientStorageError when it ends. Source: spec 04, 4.3.7. */
export async function externalSession(o: SftpOptions): Promise<SftpSession> {
  const { SFTP } = await import('ssh2/lib/protocol/SFTP.js')
  const where = `${o.username}@${o.host}`
  const command = o.sshCommand || 'ssh'
  const words = o.sshArguments.split(' ').filter((word) => word !== '')
  // A group of its own: Ctrl-C is for us, who still have something to finish.
  const child = spawn(command, [...words, where, '-s', 'sftp'], { stdio: ['pipe', 'pipe', 'inherit'], detached: true })
  const hangUp = (): void => {
    child.stdin.destroy()
    child.kill()
  }
  const transport = {
    _protocol: {
      // Of OpenSSH only the larger packets are assumed, which every server that an ssh command reaches takes.
      _remoteIdentRaw: Buffer.from('SSH-2.0-OpenSSH'),
      channelData: (_id: number, data: Buffer): void => void child.stdin.write(data),
      channelClose: hangUp,
    },
  }
  const end = { id: 0, window: openWindow, packetSize: openWindow, state: 'open' }
  const sftp = new SFTP(transport, { type: 'sftp', incoming: end, outgoing: { ...end } })
  return new Promise((resolve, reject) => {
    let session: SftpSession | undefined
    const fail = (error: Error): void => {
      clearTimeout(timer)
      if (session) session.lose(error)
      else {
        reject(startError(error, command, where))
        hangUp()
      }
    }
    const timer = setTimeout(() => fail(new Error(`no answer for ${startTimeoutMs / 1000} seconds`)), startTimeoutMs)
    child.on('error', fail)
    child.stdin.on('error', fail)
    child.on('close', (status, signal) => fail(new Error(`${command} ended with ${signal ?? `status ${status}`}`)))
    child.stdout.on('data', (data: Buffer) => sftp.push(data))
    sftp.on('error', fail)
    sftp.on('ready', () => {
      clearTimeout(timer)
      session = new SftpSession(sftp, where, hangUp)
      resolve(session)
    })
    sftp._init()
  })
}

const startError = (error: Error, command: string, where: string): StorageError =>
  systemCode(error) === 'ENOENT'
    ? new StorageError(`cannot run "${command}": there is no such program. Install it, or name another with --ssh-command.`, {
        cause: error,
      })
    : new TransientStorageError(`cannot reach ${where} with ${command}: ${messageOf(error)}`, { cause: error })
