import { X509Certificate } from 'node:crypto'
import { UsageError } from '#base/errors.ts'
import { asObject, booleanOf, type JsonObject, JsonShapeError, stringOf } from '#base/json-read.ts'
import { pointInTimeMs } from '../point-in-time-option.ts'

export const what = 'the s3 storage configuration'

/** The role that the keys, or a token from outside, are exchanged for. */
export interface S3Role {
  readonly arn: string
  readonly sessionName: string
  readonly durationSeconds: number
  /** URL of the token service; '' = the S3 endpoint. */
  readonly endpoint: string
  readonly region: string
  readonly token: string
  readonly tokenFile: string
}

/** `config` of an `s3` ConnectionInfo; `json` is all of it, as given. Source: spec 04, 4.3.2. */
export interface S3Options {
  readonly json: JsonObject
  readonly bucket: string
  readonly prefix: string
  readonly endpoint: string
  /** '' = ask the service. */
  readonly region: string
  readonly plain: boolean
  readonly verify: boolean
  /** PEM; '' = the roots of the system. */
  readonly rootCa: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
  readonly role: S3Role | undefined
  readonly atMs: number | undefined
}

/** Checks the `config` of an `s3` ConnectionInfo. Throws UsageError or JsonShapeError. */
export function parseS3Options(given: unknown): S3Options {
  const json = asObject(given, what)
  const text = (name: string) => stringOf(json, name, what)
  const bucket = text('bucket')
  if (bucket === '') throw new UsageError(`${what} has no bucket`)
  const endpoint = text('endpoint') || 's3.amazonaws.com'
  if (/[/\s@]/.test(endpoint)) throw new UsageError(`the S3 endpoint must be a host, with a port if needed, not "${endpoint}"`)
  return {
    json,
    bucket,
    prefix: text('prefix'),
    endpoint,
    region: text('region'),
    plain: booleanOf(json, 'doNotUseTLS', what),
    verify: !booleanOf(json, 'doNotVerifyTLS', what),
    rootCa: rootCaOf(text('rootCA')),
    accessKeyId: text('accessKeyID'),
    secretAccessKey: text('secretAccessKey'),
    sessionToken: text('sessionToken'),
    role: roleOf(text),
    atMs: pointInTimeMs(text('pointInTime'), what),
  }
}

function roleOf(text: (name: string) => string): S3Role | undefined {
  const arn = text('roleARN')
  if (arn === '') return undefined
  return {
    arn,
    sessionName: text('sessionName'),
    durationSeconds: secondsOf(text('duration')),
    endpoint: text('roleEndpoint'),
    region: text('roleRegion'),
    token: text('webIdentityToken'),
    tokenFile: text('webIdentityTokenFile'),
  }
}

/** PEM of a base64 member. Throws UsageError when there is no certificate in it. */
function rootCaOf(base64: string): string {
  if (base64 === '') return ''
  const pem = Buffer.from(base64, 'base64').toString('latin1')
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  try {
    if (blocks.length === 0) throw new Error('none found')
    for (const block of blocks) new X509Certificate(block)
  } catch (error) {
    throw new UsageError(`${what}: "rootCA" does not hold PEM certificates in base64`, { cause: error })
  }
  return blocks.join('\n')
}

const unitSeconds: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 1e-3, us: 1e-6, µs: 1e-6, μs: 1e-6, ns: 1e-9 }

/** Seconds of a duration text ("1h30m0s") or of a bare number of nanoseconds (spec 04, 4.1.6). Throws JsonShapeError. */
function secondsOf(given: string): number {
  const text = given.trim().replaceAll('_', '')
  if (text === '') return 0
  if (/^\d+$/.test(text)) return Number(text) / 1e9
  if (!/^(?:\d+(?:\.\d*)?(?:h|m|s|ms|us|µs|μs|ns))+$/.test(text)) throw new JsonShapeError(`${what}: "duration" must be like "1h30m0s"`)
  let seconds = 0
  for (const [, digits, unit = ''] of text.matchAll(/(\d+(?:\.\d*)?)(h|ms|m|s|us|µs|μs|ns)/g))
    seconds += Number(digits) * (unitSeconds[unit] ?? 0)
  return seconds
}
