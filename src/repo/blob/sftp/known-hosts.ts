import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

export interface KnownKeys {
  /** Key types that the file has for the host, to be asked of the server first. */
  readonly types: readonly string[]
  check(key: Buffer): 'known' | 'unknown' | 'different' | 'revoked'
}

/** Finds a host's keys in the text of a known_hosts file: plain names, patterns, `[host]:port`, hashed names, `@revoked`. Lines with
 *  `@cert-authority` do not help a client without certificates and are passed over. Source: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. */
export function knownKeysOf(text: string, host: string, port: number): KnownKeys {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  const name = port === 22 ? bare : `[${bare}]:${port}`
  const good: { type: string; key: Buffer }[] = []
  const revoked: Buffer[] = []
  for (const line of text.split(/\r?\n/)) {
    const words = line.trim().split(/\s+/)
    if (words[0] === '' || words[0]?.startsWith('#')) continue
    const marker = words[0]?.startsWith('@') ? words.shift() : undefined
    const [hosts = '', type = '', base64 = ''] = words
    if (marker === '@cert-authority' || !matchesHost(hosts, name)) continue
    const key = Buffer.from(base64, 'base64')
    if (marker === '@revoked') revoked.push(key)
    else good.push({ type, key })
  }
  return {
    types: [...new Set(good.map((g) => g.type))],
    check(key) {
      if (revoked.some((r) => r.equals(key))) return 'revoked'
      if (good.some((g) => g.key.equals(key))) return 'known'
      return good.length > 0 ? 'different' : 'unknown'
    },
  }
}

/** Fingerprint as ssh prints it. */
export const fingerprintOf = (key: Buffer): string => `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`

function matchesHost(patterns: string, name: string): boolean {
  if (patterns.startsWith('|1|')) {
    const [, , salt = '', hash = ''] = patterns.split('|')
    const wanted = Buffer.from(hash, 'base64')
    const got = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest()
    return wanted.length === got.length && timingSafeEqual(wanted, got)
  }
  let found = false
  for (const pattern of patterns.toLowerCase().split(',')) {
    const negated = pattern.startsWith('!')
    const text = (negated ? pattern.slice(1) : pattern).replace(/[.+^${}()|[\]\\]/g, '\\$&')
    if (!new RegExp(`^${text.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(name)) continue
    if (negated) return false
    found = true
  }
  return found
}
