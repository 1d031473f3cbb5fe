import { UsageError } from '#base/errors.ts'
import { booleanOf, type JsonObject, stringOf } from '#base/json-read.ts'
import { formatSharded, parseSharded, type ShardedOptions } from '../sharded-options.ts'

/** `config` of a `webdav` ConnectionInfo (spec 04, 4.3.8). Empty strings = not given. */
export interface WebdavOptions extends ShardedOptions {
  readonly url: string
  readonly username: string
  readonly password: string
  /** Lower-case hex SHA-256 of a certificate; '' = the usual checks. */
  readonly trustedServerCertificateFingerprint: string
  /** The server replaces a file in one step: no temporary name is needed. */
  readonly atomicWrites: boolean
}

const texts = ['url', 'username', 'password', 'trustedServerCertificateFingerprint'] as const

/** Checks the `config` member of a ConnectionInfo. Throws UsageError. */
export function parseWebdavOptions(json: unknown): WebdavOptions {
  const options = parseSharded(json, 'the webdav storage configuration', [...texts, 'atomicWrites'], (config, what) => ({
    ...(Object.fromEntries(texts.map((name) => [name, stringOf(config, name, what)])) as Record<(typeof texts)[number], string>),
    atomicWrites: booleanOf(config, 'atomicWrites', what),
  }))
  if (!URL.canParse(options.url) || !/^https?:$/.test(new URL(options.url).protocol))
    throw new UsageError('a webdav storage needs a "url" that starts with http:// or https://')
  return options
}

/** The same options as JSON, keys in Kopia's order. */
export const formatWebdavOptions = (o: WebdavOptions): JsonObject => ({
  url: o.url,
  ...(o.username === '' ? {} : { username: o.username }),
  ...(o.password === '' ? {} : { password: o.password }),
  ...(o.trustedServerCertificateFingerprint === '' ? {} : { trustedServerCertificateFingerprint: o.trustedServerCertificateFingerprint }),
  atomicWrites: o.atomicWrites,
  ...formatSharded(o),
})
