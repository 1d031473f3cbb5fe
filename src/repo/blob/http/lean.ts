import { Limiter } from '#base/limit.ts'
import { TransientStorageError } from '../errors.ts'
import type { TlsOptions } from './agent.ts'
import { LeanAnswer, type WholeAnswer } from './lean-answer.ts'
import { LeanConnection, type LeanPlace } from './lean-connection.ts'

export interface LeanRequest extends LeanPlace {
  /** With the query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

const maxAtOnce = 64
const maxIdle = 16
/** Names, values and paths that can be written down as they are. */
const speakable = /^[\t\x20-\x7e]*$/

/** GET requests whose answers go from the connection into one buffer each. Node's own client makes some objects and two copies of each 16 KiB that
 *  come over TLS, and the collector of garbage more work than all the rest is. Whatever is out of the ordinary is left to it. */
export class LeanClient {
  readonly #idle = new Map<string, LeanConnection[]>()
  readonly #limiter = new Limiter(maxAtOnce)
  #isOdd = false

  /** A connection on which nothing moves for `stallMs` is given up. */
  constructor(
    private readonly tls: TlsOptions,
    private readonly stallMs: number,
  ) {}

  /** The answer, of whatever status; undefined when it is not one for this client: then ask another. Rejects with errors of the system or of TLS,
   *  and with TransientStorageError when nothing moves. */
  async get(request: LeanRequest): Promise<WholeAnswer | undefined> {
    const lines = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`)
    if (this.#isOdd || /\s/.test(request.path) || ![request.path, ...lines].every((line) => speakable.test(line))) return undefined
    const text = [`GET ${request.path} HTTP/1.1`, ...lines, '', ''].join('\r\n')
    const answer = await this.#limiter.run(() => this.#exchange(request, text))
    return answer === 'odd' ? undefined : answer
  }

  close(): void {
    for (const connections of this.#idle.values()) for (const connection of [...connections]) connection.close()
  }

  async #exchange(place: LeanPlace, text: string): Promise<WholeAnswer | 'odd'> {
    const idle = this.#idleOf(place)
    const kept = idle.pop()
    if (kept) {
      const answer = new LeanAnswer()
      try {
        return await this.#ask(kept, text, answer, idle)
      } catch (error) {
        // The server may have ended a connection that lay idle just when it was used.
        if (answer.hasBegun || error instanceof TransientStorageError) throw error
      }
    }
    const connection = new LeanConnection(place, this.tls, this.stallMs, (closed) => {
      const at = idle.indexOf(closed)
      if (at >= 0) idle.splice(at, 1)
    })
    await connection.reached()
    return this.#ask(connection, text, new LeanAnswer(), idle)
  }

  async #ask(connection: LeanConnection, text: string, answer: LeanAnswer, idle: LeanConnection[]): Promise<WholeAnswer | 'odd'> {
    const got = await connection.ask(text, answer)
    // A server that sends what is there in a way that is not known here does so again; one that only says so of errors does not.
    if (got === 'odd' && answer.isSuccess) this.#isOdd = true
    if (connection.isOpen && idle.length < maxIdle) idle.push(connection)
    else connection.close()
    return got
  }

  #idleOf({ plain, host, port }: LeanPlace): LeanConnection[] {
    const key = `${plain} ${host} ${port}`
    const found = this.#idle.get(key) ?? []
    this.#idle.set(key, found)
    return found
  }
}
