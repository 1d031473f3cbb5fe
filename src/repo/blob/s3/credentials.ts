import { readFileSync } from 'node:fs'
import { messageOf } from '#base/errors.ts'
import { CredentialsError } from '../errors.ts'
import type { HttpAgents } from '../http/agent.ts'
import { connectionError } from '../http/failure.ts'
import type { S3Options, S3Role } from './options.ts'

export interface Keys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly expiration?: Date
}

/** Gives keys that hold now; called again when the last ones are about to expire. */
export type KeyProvider = () => Promise<Keys>

/** Who we are to the service: the first source of spec 04, 4.3.2 that has keys, or undefined = anonymous. Throws CredentialsError when a
 *  role is asked for and not given. */
export async function keysOf(options: S3Options, agents: HttpAgents): Promise<KeyProvider | undefined> {
  const { role } = options
  const own = ownKeys(options)
  if (role) return roleProvider(options, role, own, agents)
  if (own) return async () => own
  return environmentKeys() ?? (await machineKeys())
}

function ownKeys({ accessKeyId, secretAccessKey, sessionToken }: S3Options): Keys | undefined {
  return accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) } : undefined
}

function environmentKeys(): KeyProvider | undefined {
  const { env } = process
  const accessKeyId = env['AWS_ACCESS_KEY_ID'] || env['AWS_ACCESS_KEY']
  const secretAccessKey = env['AWS_SECRET_ACCESS_KEY'] || env['AWS_SECRET_KEY']
  const sessionToken = env['AWS_SESSION_TOKEN']
  if (!accessKeyId || !secretAccessKey) return undefined
  return async () => ({ accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) })
}

/** Keys that the machine has by its role: token file, container, virtual machine. */
async function machineKeys(): Promise<KeyProvider | undefined> {
  const { env } = process
  if (env['AWS_WEB_IDENTITY_TOKEN_FILE'] && env['AWS_ROLE_ARN'])
    return (await import('@aws-sdk/credential-provider-web-identity')).fromTokenFile()
  if (env['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'] || env['AWS_CONTAINER_CREDENTIALS_FULL_URI'])
    return (await import('@aws-sdk/credential-provider-http')).fromHttp()
  if (env['AWS_EC2_METADATA_DISABLED'] === 'true') return undefined
  const { fromInstanceMetadata } = await import('@smithy/credential-provider-imds')
  const provider = fromInstanceMetadata({ timeout: 1000, maxRetries: 0 })
  try {
    await provider()
    return provider
  } catch {
    return undefined
  }
}

async function roleProvider(options: S3Options, role: S3Role, own: Keys | undefined, agents: HttpAgents): Promise<KeyProvider> {
  const { AssumeRoleCommand, AssumeRoleWithWebIdentityCommand, STSClient } = await import('@aws-sdk/nested-clients/sts')
  const endpoint = role.endpoint || `${options.plain ? 'http' : 'https'}://${options.endpoint}`
  const client = new STSClient({
    endpoint,
    region: role.region || options.region || 'us-east-1',
    credentials: async () => own ?? { accessKeyId: '', secretAccessKey: '' },
    requestHandler: { httpAgent: agents.http, httpsAgent: agents.https, connectionTimeout: 10_000, socketTimeout: 60_000 },
  })
  const foreign = role.token !== '' || role.tokenFile !== ''
  if (!foreign && !own) throw new CredentialsError(`cannot take role ${role.arn}: that needs an access key and its secret`)
  return async () => {
    try {
      const reply = foreign
        ? await client.send(
            new AssumeRoleWithWebIdentityCommand({
              RoleArn: role.arn,
              RoleSessionName: String(process.hrtime.bigint()),
              WebIdentityToken: tokenOf(role),
              ...(role.durationSeconds > 0 ? { DurationSeconds: Math.floor(role.durationSeconds) } : {}),
            }),
          )
        : await client.send(
            new AssumeRoleCommand({
              RoleArn: role.arn,
              RoleSessionName: role.sessionName,
              DurationSeconds: Math.max(3600, Math.floor(role.durationSeconds)),
            }),
          )
      const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = reply.Credentials ?? {}
      if (!AccessKeyId || !SecretAccessKey) throw new CredentialsError('the answer has no keys')
      return {
        accessKeyId: AccessKeyId,
        secretAccessKey: SecretAccessKey,
        ...(SessionToken ? { sessionToken: SessionToken } : {}),
        ...(Expiration ? { expiration: Expiration } : {}),
      }
    } catch (error) {
      throw refusal(error, role, endpoint)
    }
  }
}

function refusal(error: unknown, role: S3Role, endpoint: string): unknown {
  const at = `cannot take role ${role.arn} at ${endpoint}`
  if (error instanceof CredentialsError) return new CredentialsError(`${at}: ${error.message}`, { cause: error })
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode
  if (status === undefined || status >= 500) return connectionError(error, at)
  return new CredentialsError(`${at}: ${messageOf(error)}. Check the role, the keys or the token.`, { cause: error })
}

/** The token file is read again at every refresh, and beats the token itself. */
function tokenOf(role: S3Role): string {
  if (role.tokenFile === '') return role.token
  try {
    return readFileSync(role.tokenFile, 'utf8').trim()
  } catch (error) {
    throw new CredentialsError(`the token file cannot be read: ${messageOf(error)}`, { cause: error })
  }
}
