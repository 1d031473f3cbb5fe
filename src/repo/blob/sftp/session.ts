import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { SFTPWrapper } from 'ssh2'
import { messageOf, systemCode } from '#base/errors.ts'
import { CredentialsError, StorageError, TransientStorageError } from '../errors.ts'
import { isTransientCode } from '../system-errors.ts'
import { passphraseError, readableKey } from './key.ts'
import { fingerprintOf, type KnownKeys, knownKeysOf } from './known-hosts.ts'
import type { SftpOptions } from './options.ts'
import { leanSocket } from './socket.ts'

const connectTimeoutMs = 30_000
/** Connections hold no passphrase: it must not lie beside the key. */
const passphraseVariable = 'KURA_SFTP_KEY_PASSPHRASE'
const keepaliveIntervalMs = 15_000
/** With nothing heard from a server that owes answers for this long, the connection is given up. */
export const defaultStallMs = 60_000
const looksPerStall = 6

/** Ciphers whose input ssh2 decrypts at once into memory of its own; of others (and with its own addon) it may keep pieces of what came. */
const keepsNothing = /-gcm(?:@|$)/

/** One SFTP session over one connection. Every request fails with TransientStorageError once the connection is gone. */
export class SftpSession {
  #lost: Error | undefined
  /** Looks in a row at requests without any answer. They are counted instead of timed: a process that had no turn has heard nothing either. */
  #silentLooks = 0
  readonly #waiting = new Set<(error: Error) => void>()
  readonly #watch: NodeJS.Timeout

  constructor(
    readonly sftp: SFTPWrapper,
    private readonly where: string,
    private readonly hangUp: () => void,
    stallMs = defaultStallMs,
  ) {
    this.#watch = setInterval(() => {
      if (this.#waiting.size === 0) this.#silentLooks = 0
      else if (++this.#silentLooks > looksPerStall) this.lose(new Error(`no answer for ${stallMs / 1000} seconds`))
    }, stallMs / looksPerStall)
    this.#watch.unref()
  }

  get isLost(): boolean {
    return this.#lost !== undefined
  }

  /** Requests that have no answer yet. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** One request; `send` gets the callback of the ssh2 call. Rejects with the server's status error as it is. */
  request<T>(send: (done: (error?: Error | null, value?: T) => void) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#lost) return reject(this.#lost)
      if (this.#waiting.size === 0) this.#silentLooks = 0
      this.#waiting.add(reject)
      send((error, value) => {
        this.#silentLooks = 0
        this.#waiting.delete(reject)
        if (error) reject(error)
        else resolve(value as T)
      })
    })
  }

  /** Ends the session; requests under way fail. */
  lose(reason: Error): void {
    if (this.#lost) return
    this.#lost = new TransientStorageError(`the connection to ${this.where} was lost: ${reason.message}`, { cause: reason })
    clearInterval(this.#watch)
    for (const reject of this.#waiting) reject(this.#lost)
    this.#waiting.clear()
    this.hangUp()
  }
}

/** Its own listeners would print. It makes the connection and the SFTP channel; requests go through the channel's own handle, many at once. */
const quiet = { error: () => undefined, end: () => undefined, close: () => undefined }

/** Connects with the built-in client. Throws CredentialsError, StorageError (host key), TransientStorageError. Source: spec 04, 4.3.7. */
export async function connectSession(o: SftpOptions, stallMs = defaultStallMs): Promise<SftpSession> {
  const where = `${o.username}@${o.host}:${o.port}`
  const known = await knownKeys(o)
  const privateKey = o.password === '' ? await keyOf(o) : undefined
  const [{ default: ssh2 }, { default: crypto }, { default: SftpClient }] = await Promise.all([
    import('ssh2'),
    import('ssh2/lib/protocol/crypto.js'),
    import('ssh2-sftp-client'),
  ])
  const passphrase = process.env[passphraseVariable] ?? ''
  if (privateKey !== undefined) checkKey(ssh2.utils.parseKey(privateKey, passphrase), o, passphrase)
  const connector = new SftpClient('sftp', quiet)
  const { client } = connector
  const { socket, reuse } = leanSocket(o.host.replace(/^\[(.*)\]$/, '$1'), o.port)
  let refusal: StorageError | undefined
  return new Promise((resolve, reject) => {
    let session: SftpSession | undefined
    const fail = (error: Error): void => {
      if (session) session.lose(error)
      else {
        reject(refusal ?? connectError(error, where))
        client.destroy()
      }
    }
    client.on('error', fail)
    client.on('close', () => fail(new Error('the server closed the connection')))
    client.on('handshake', ({ sc }) => {
      if (keepsNothing.test(sc.cipher) && !crypto.bindingAvailable) reuse()
    })
    const connecting = connector.connect({
      sock: socket,
      username: o.username,
      readyTimeout: connectTimeoutMs,
      keepaliveInterval: keepaliveIntervalMs,
      ...(privateKey === undefined ? { password: o.password } : { privateKey, passphrase }),
      ...hostKeyAlgorithms(known),
      hostVerifier: (key: Buffer) => {
        refusal = hostKeyRefusal(o, known.check(key), key)
        return refusal === undefined
      },
    })
    // What it rejects with has lost what ssh2 said of the reason; the event "error" came first.
    connecting.then((sftp) => {
      session = new SftpSession(sftp, where, () => client.destroy(), stallMs)
      sftp.on('close', () => session?.lose(new Error('the server ended the session')))
      sftp.on('error', (failure: Error) => session?.lose(failure))
      resolve(session)
    }, fail)
  })
}

async function keyOf(o: SftpOptions): Promise<string | Buffer> {
  if (o.keyData === '' && o.keyfile === '') throw new CredentialsError('an sftp storage needs a password, a key file or the data of a key')
  const key =
    o.keyData ||
    (await readFile(o.keyfile).catch((error: unknown) => {
      throw new CredentialsError(`cannot read the key file ${o.keyfile}: ${messageOf(error)}`, { cause: error })
    }))
  return readableKey(key, process.env[passphraseVariable] ?? '', keyName(o))
}

const keyName = (o: SftpOptions): string => (o.keyData === '' ? `the key file ${o.keyfile}` : 'the key data')

function checkKey(parsed: unknown, o: SftpOptions, passphrase: string): void {
  if (!(parsed instanceof Error)) return
  if (/passphrase|encrypted|decrypt|integrity/i.test(parsed.message)) throw passphraseError(keyName(o), passphrase, parsed)
  throw new CredentialsError(`${keyName(o)} cannot be used: ${parsed.message}`)
}

async function knownKeys(o: SftpOptions): Promise<KnownKeys> {
  if (o.knownHostsData !== '') return knownKeysOf(o.knownHostsData, o.host, o.port)
  const file = knownHostsFile(o)
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new StorageError(`cannot read the known hosts file ${file}: ${messageOf(error)}`, { cause: error })
  })
  return knownKeysOf(text, o.host, o.port)
}

const knownHostsFile = (o: SftpOptions): string => o.knownHostsFile || join(homedir(), '.ssh', 'known_hosts')

function hostKeyAlgorithms(known: KnownKeys): object {
  const serverHostKey = known.types.flatMap((type) => (type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'] : [type]))
  return serverHostKey.length > 0 ? { algorithms: { serverHostKey } } : {}
}

function hostKeyRefusal(o: SftpOptions, verdict: ReturnType<KnownKeys['check']>, key: Buffer): StorageError | undefined {
  if (verdict === 'known') return undefined
  const place = o.knownHostsData === '' ? knownHostsFile(o) : 'the known hosts data'
  const shown = `${o.host}:${o.port} (${fingerprintOf(key)})`
  if (verdict === 'unknown')
    return new StorageError(
      `the host key of ${shown} is not in ${place}. If it is the right one, add what "ssh-keyscan" prints for the host.`,
    )
  if (verdict === 'revoked') return new StorageError(`the host key of ${shown} is marked as revoked in ${place}`)
  return new StorageError(
    `the host key of ${shown} is not the one in ${place}. Somebody may be listening in, or the server was set up anew.`,
  )
}

function connectError(error: Error, where: string): StorageError {
  if ((error as { level?: string }).level === 'client-authentication')
    return new CredentialsError(`${where} does not accept the user name with this password or key. Check them.`, { cause: error })
  const message = `cannot connect to ${where}: ${error.message}`
  const final = systemCode(error) !== undefined && !isTransientCode(systemCode(error))
  return final ? new StorageError(message, { cause: error }) : new TransientStorageError(message, { cause: error })
}
