import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { TransientStorageError } from '../errors.ts'
import type { TlsOptions } from './agent.ts'
import { LeanAnswer, type WholeAnswer } from './lean-answer.ts'

const readBytes = 128 * 1024
const connectTimeoutMs = 10_000

export interface LeanPlace {
  /** Without TLS. */
  readonly plain: boolean
  readonly host: string
  readonly port: number
}

interface Asked {
  readonly answer: LeanAnswer
  readonly resolve: (answer: WholeAnswer | 'odd') => void
  readonly reject: (error: Error) => void
}

/** One connection, on which one request after the other is asked. What arrives lies in one buffer that is used again and again. */
export class LeanConnection {
  readonly #socket: Socket
  #asked: Asked | undefined
  #isOpen = true

  /** `stallMs`: with nothing moving for this long it is given up. */
  constructor(
    private readonly place: LeanPlace,
    tls: TlsOptions,
    private readonly stallMs: number,
    private readonly whenClosed: (connection: LeanConnection) => void,
  ) {
    const { plain, host, port } = place
    const buffer = Buffer.allocUnsafeSlow(readBytes)
    const callback = (length: number): boolean => this.#take(buffer.subarray(0, length))
    const trust = { ...(tls.ca ? { ca: tls.ca } : {}), rejectUnauthorized: tls.verify ?? true, ...(isIP(host) ? {} : { servername: host }) }
    // `onread` is documented for tls.connect as well; its types do not have it.
    const common = { host, port, onread: { buffer, callback } }
    this.#socket = plain ? connectPlain(common) : connectTls({ ...common, ...trust, ALPNProtocols: ['http/1.1'] })
    this.#socket.setNoDelay(true)
    this.#socket.setTimeout(stallMs, () =>
      this.#end(new TransientStorageError(`${host}:${port}: nothing moved for ${this.stallMs / 1000} s`)),
    )
    this.#socket.on('error', (error) => this.#end(error))
    this.#socket.on('close', () => this.#end(systemError('ECONNRESET', this.#lostMessage())))
  }

  /** Whether it can be asked. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Waits until the server is reached, and trusted. Rejects with the error of the system or of TLS. */
  reached(): Promise<void> {
    const { plain, host, port } = this.place
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.#end(systemError('ETIMEDOUT', `${host}:${port} did not take the connection within ${connectTimeoutMs / 1000} s`)),
        connectTimeoutMs,
      )
      this.#asked = { answer: new LeanAnswer(), resolve: () => undefined, reject: (error) => settle(() => reject(error)) }
      const settle = (act: () => void): void => {
        clearTimeout(timer)
        this.#asked = undefined
        act()
      }
      this.#socket.once(plain ? 'connect' : 'secureConnect', () => settle(resolve))
    })
  }

  /** Sends a request and waits for the whole of its answer. 'odd': it is not one that LeanAnswer knows, and the connection is at its end. */
  ask(text: string, answer: LeanAnswer): Promise<WholeAnswer | 'odd'> {
    return new Promise((resolve, reject) => {
      this.#asked = { answer, resolve, reject }
      this.#socket.ref()
      this.#socket.write(text, 'latin1')
    })
  }

  /** Ends it; what is asked fails. */
  close(): void {
    this.#end(systemError('ECONNABORTED', 'the storage was closed'))
  }

  #take(bytes: Uint8Array): boolean {
    const asked = this.#asked
    const whole = asked?.answer.push(bytes)
    if (asked && whole === undefined) return true
    this.#asked = undefined
    // Bytes that nobody asked for end it, too.
    if (!asked || whole === undefined || whole === 'odd' || /\bclose\b/i.test(whole.headers['connection'] ?? '')) this.close()
    else this.#socket.unref()
    asked?.resolve(whole ?? 'odd')
    return true
  }

  #end(error: Error): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#socket.destroy()
    this.whenClosed(this)
    const asked = this.#asked
    this.#asked = undefined
    asked?.reject(error)
  }

  #lostMessage(): string {
    const when = this.#asked?.answer.progress ?? 'that lay idle'
    return `the server at ${this.place.host}:${this.place.port} ended the connection ${when}`
  }
}

const systemError = (code: string, message: string): Error => Object.assign(new Error(message), { code })
