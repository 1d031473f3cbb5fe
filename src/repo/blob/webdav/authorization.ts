import { createHash, randomBytes } from 'node:crypto'

interface Challenge {
  readonly realm: string
  readonly nonce: string
  readonly opaque: string
  readonly algorithm: string
  readonly qop: boolean
}

const digestNames: Readonly<Record<string, string>> = { md5: 'md5', 'sha-256': 'sha256', 'sha-512-256': 'sha512-256' }

/** How one user logs in to one server: not at all until it asks, then by Basic or Digest, whichever it offers first of those we know.
 *  Source: RFC 7617, RFC 7616. */
export class Authorization {
  #scheme: 'basic' | Challenge | undefined
  #count = 0

  constructor(
    private readonly username: string,
    private readonly password: string,
    private readonly clientNonce: string = randomBytes(16).toString('hex'),
  ) {}

  /** Value of the Authorization header for a request, or undefined. `target` = path and query as they are sent. */
  header(method: string, target: string): string | undefined {
    if (this.#scheme === undefined) return undefined
    if (this.#scheme === 'basic') return `Basic ${Buffer.from(`${this.username}:${this.password}`).toString('base64')}`
    return this.digest(this.#scheme, method, target)
  }

  /** Takes what a 401 answer asks for. False when that is nothing new, so that trying again would not help. `sent`: the header sent. */
  accept(challenges: string | undefined, sent: string | undefined): boolean {
    if (this.username === '' || challenges === undefined) return false
    const digest = parseDigest(challenges)
    if (digest) {
      const stale = /\bstale\s*=\s*"?true/i.test(challenges)
      const isNew = typeof this.#scheme !== 'object' || stale || this.#scheme.nonce !== digest.nonce
      // A nonce that was good a moment ago may have expired; one that was handed out for the very request may not.
      if (!isNew || (sent !== undefined && !stale && sent.includes(`nonce="${digest.nonce}"`))) return false
      this.#scheme = digest
      this.#count = 0
      return true
    }
    if (!/(?:^|,)\s*basic\b/i.test(challenges) || this.#scheme === 'basic') return false
    this.#scheme = 'basic'
    return true
  }

  private digest(c: Challenge, method: string, target: string): string {
    const session = /-sess$/i.test(c.algorithm)
    const hashName = digestNames[c.algorithm.toLowerCase().replace(/-sess$/, '')] as string
    const hash = (text: string) => createHash(hashName).update(text).digest('hex')
    const count = (++this.#count).toString(16).padStart(8, '0')
    const user = hash(`${this.username}:${c.realm}:${this.password}`)
    const secret = session ? hash(`${user}:${c.nonce}:${this.clientNonce}`) : user
    const request = hash(`${method}:${target}`)
    const middle = c.qop ? `${c.nonce}:${count}:${this.clientNonce}:auth` : c.nonce
    const quoted = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`
    return [
      `Digest username=${quoted(this.username)}`,
      `realm=${quoted(c.realm)}`,
      `nonce=${quoted(c.nonce)}`,
      `uri=${quoted(target)}`,
      `algorithm=${c.algorithm}`,
      `response="${hash(`${secret}:${middle}:${request}`)}"`,
      ...(c.qop ? ['qop=auth', `nc=${count}`, `cnonce="${this.clientNonce}"`] : []),
      ...(c.opaque === '' ? [] : [`opaque=${quoted(c.opaque)}`]),
    ].join(', ')
  }
}

/** The first Digest challenge whose algorithm we know. */
function parseDigest(challenges: string): Challenge | undefined {
  for (const part of challenges.split(/(?:^|,\s*)(?=digest\s)/i)) {
    if (!/^digest\s/i.test(part)) continue
    const value = (name: string): string => {
      const found = new RegExp(`[\\s,]${name}\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s,"]+))`, 'i').exec(part)
      return found?.[1]?.replace(/\\(.)/g, '$1') ?? found?.[2] ?? ''
    }
    const algorithm = value('algorithm') || 'MD5'
    if (!Object.hasOwn(digestNames, algorithm.toLowerCase().replace(/-sess$/, ''))) continue
    const qop = value('qop')
    if (qop !== '' && !/(?:^|[\s,])auth(?:$|[\s,])/i.test(qop)) continue
    return { realm: value('realm'), nonce: value('nonce'), opaque: value('opaque'), algorithm, qop: qop !== '' }
  }
  return undefined
}
