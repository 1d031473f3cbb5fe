import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3'
import { type HttpAgents, httpAgents, type TlsOptions } from '../http/agent.ts'
import { type KeyProvider, keysOf } from './credentials.ts'
import { readLean } from './lean-handler.ts'
import type { S3Options } from './options.ts'

const awsHost = /(?:^|\.)amazonaws\.com(?:\.cn)?(?::\d+)?$/
const virtualHosts = /(?:^|\.)(?:amazonaws\.com(?:\.cn)?|storage\.googleapis\.com|aliyuncs\.com)(?::\d+)?$/

/** A connection on which nothing moves is given up after this time. */
const defaultStallMs = 60_000

/** A client for one bucket, whose region is known or found out. Errors are those of the SDK, and CredentialsError. */
export async function s3Client(options: S3Options, stallMs = defaultStallMs): Promise<S3Client> {
  // The warning about Node 20 is for those who choose the SDK, not for those who run this.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true'
  const agents = httpAgents(trustOf(options))
  const keys = await keysOf(options, agents)
  const region = options.region || regionOfHost(options.endpoint) || (await regionOfBucket(options, keys, agents))
  return build(options, { keys, agents, region, stallMs })
}

const trustOf = ({ verify, rootCa }: S3Options): TlsOptions => ({ verify, ...(rootCa ? { ca: rootCa } : {}) })

interface Means {
  readonly keys: KeyProvider | undefined
  readonly agents: HttpAgents
  readonly region: string
  readonly stallMs: number
}

async function build(options: S3Options, { keys, agents, region, stallMs }: Means, pathStyle = false) {
  const { S3Client } = await import('@aws-sdk/client-s3')
  const { endpoint, plain, bucket } = options
  const amazon = endpoint === 's3.amazonaws.com'
  const url = amazon && plain ? `http://s3.${region}.amazonaws.com` : `${plain ? 'http' : 'https'}://${endpoint}`
  const config: S3ClientConfig = {
    region,
    ...(amazon && !plain ? {} : { endpoint: url }),
    forcePathStyle: pathStyle || !virtualHosts.test(endpoint) || (bucket.includes('.') && !plain),
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 2,
    credentials: keys ?? (async () => ({ accessKeyId: '', secretAccessKey: '' })),
    ...(keys ? {} : { signer: { sign: async (request) => request } }),
    requestHandler: { httpAgent: agents.http, httpsAgent: agents.https, connectionTimeout: 10_000, socketTimeout: stallMs },
  }
  const client = new S3Client(config)
  readLean(client, trustOf(options), stallMs)
  if (!plain) sendUnsigned(client)
  keepServerTime(client)
  return client
}

/** Puts the Date header of each answer beside what it says. */
function keepServerTime(client: S3Client): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args)
      const { date } = (result.response as { headers: Readonly<Record<string, string>> }).headers
      return { ...result, output: { ...result.output, $metadata: { ...result.output?.$metadata, date } } }
    },
    { step: 'deserialize', name: 'serverTime', priority: 'high' },
  )
}

/** When the server answered, by its own clock, in ms since the epoch; NaN when it did not say. */
export const serverTimeMs = (reply: { readonly $metadata: object }): number =>
  Date.parse((reply.$metadata as { readonly date?: string }).date ?? '')

/** Over TLS the bytes need no signature of their own: Content-MD5 guards them, and hashing them twice costs a third of the time. */
function sendUnsigned(client: S3Client): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { headers: Record<string, string> }
      request.headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD'
      return next(args)
    },
    { step: 'build', name: 'unsignedPayload' },
  )
}

/** Region that an Amazon host name tells, or ''. */
function regionOfHost(endpoint: string): string {
  if (!awsHost.test(endpoint)) return ''
  const host = endpoint.replace(/:\d+$/, '')
  const found = /^s3(?:-fips|-accesspoint)?(?:\.dualstack)?[.-]([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com(?:\.cn)?$/.exec(host)
  return found?.[1] ?? ''
}

/** Where the bucket is, by its own word; us-east-1 when it does not tell. */
async function regionOfBucket(options: S3Options, keys: KeyProvider | undefined, agents: HttpAgents): Promise<string> {
  const { GetBucketLocationCommand } = await import('@aws-sdk/client-s3')
  const client = await build(options, { keys, agents, region: 'us-east-1', stallMs: defaultStallMs }, true)
  try {
    const { LocationConstraint = '' } = await client.send(new GetBucketLocationCommand({ Bucket: options.bucket }))
    return LocationConstraint === 'EU' ? 'eu-west-1' : LocationConstraint || 'us-east-1'
  } catch (error) {
    // Not allowed to ask, or a service that does not know the question: what is wrong shows with the first real request.
    if ((error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode) return 'us-east-1'
    throw error
  }
}
