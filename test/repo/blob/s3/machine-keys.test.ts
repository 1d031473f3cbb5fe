import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CredentialsError } from '#repo/blob/errors.ts'
import { s3Backend } from '#repo/blob/s3/s3.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import { type FakeReply, type FakeRequest, type FakeService, fakeService } from '../../../support/fake-service.ts'
import { scratchFolders } from '../../../support/scratch.ts'

const scratch = scratchFolders()
const names = [
  ...['AWS_ACCESS_KEY_ID', 'AWS_ACCESS_KEY', 'AWS_SECRET_ACCESS_KEY', 'AWS_SECRET_KEY', 'AWS_SESSION_TOKEN', 'AWS_PROFILE'],
  ...['AWS_WEB_IDENTITY_TOKEN_FILE', 'AWS_ROLE_ARN', 'AWS_ROLE_SESSION_NAME', 'AWS_REGION', 'AWS_ENDPOINT_URL_STS'],
  ...['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', 'AWS_CONTAINER_CREDENTIALS_FULL_URI', 'AWS_CONTAINER_AUTHORIZATION_TOKEN'],
  ...['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE', 'AWS_EC2_METADATA_DISABLED', 'AWS_EC2_METADATA_SERVICE_ENDPOINT'],
]
let saved: NodeJS.ProcessEnv
const services: FakeService[] = []
beforeEach(() => {
  saved = { ...process.env }
  for (const name of names) delete process.env[name]
})
afterEach(async () => {
  process.env = saved
  for (const service of services.splice(0)) await service.stop()
})

async function started(answer: (request: FakeRequest) => FakeReply | undefined): Promise<FakeService> {
  const service = await fakeService(answer)
  services.push(service)
  return service
}

/** A bucket without objects that tells by which key, token and for which region its requests were signed. */
const bucket = () => started(() => ({ status: 404, body: '<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>' }))
const open = (service: FakeService): Promise<BlobStorage> => {
  const config = { bucket: 'b', endpoint: new URL(service.url).host, region: 'eu-west-9', accessKeyID: '', secretAccessKey: '' }
  return s3Backend.open(s3Backend.parse({ ...config, doNotUseTLS: true }), false)
}
const signer = (request: FakeRequest | undefined) => ({
  key: /Credential=([^/]+)\//.exec(request?.headers.authorization ?? '')?.[1],
  token: request?.headers['x-amz-security-token'],
})
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString()

describe('an S3 storage without keys takes those', () => {
  test('of the virtual machine: a token first, then the role, then its keys (IMDSv2)', async () => {
    const metadata = await started((request) => {
      if (request.method === 'PUT' && request.path === '/latest/api/token') {
        return request.headers['x-aws-ec2-metadata-token-ttl-seconds'] ? { body: 'imds-token' } : { status: 400 }
      }
      if (request.headers['x-aws-ec2-metadata-token'] !== 'imds-token') return { status: 401 }
      if (/\/security-credentials(?:-extended)?\/$/.test(request.path)) return { body: 'the-role' }
      const keys = { AccessKeyId: 'ASIAVM', SecretAccessKey: 'vm-secret', Token: 'vm-token', Expiration: inAnHour(), Code: 'Success' }
      return /\/security-credentials(?:-extended)?\/the-role$/.test(request.path) ? { json: keys } : { status: 404 }
    })
    process.env['AWS_EC2_METADATA_SERVICE_ENDPOINT'] = metadata.url
    const service = await bucket()
    await (await open(service)).close()
    expect(metadata.requests[0]).toMatchObject({ method: 'PUT', path: '/latest/api/token' })
    expect(signer(service.requests[0])).toEqual({ key: 'ASIAVM', token: 'vm-token' })
  })

  test.each(['AWS_CONTAINER_AUTHORIZATION_TOKEN', 'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'])(
    'of the container, asked for with the token of %s',
    async (name) => {
      const keys = { AccessKeyId: 'ASIABOX', SecretAccessKey: 'box-secret', Token: 'box-token', Expiration: inAnHour() }
      const agent = await started((request) => (request.headers.authorization === 'box-pass' ? { json: keys } : { status: 403 }))
      const file = join(scratch(), 'token')
      writeFileSync(file, 'box-pass')
      process.env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] = `${agent.url}/creds?who=me`
      process.env[name] = name.endsWith('FILE') ? file : 'box-pass'
      const service = await bucket()
      await (await open(service)).close()
      expect(agent.requests[0]).toMatchObject({ method: 'GET', path: '/creds' })
      expect(signer(service.requests[0])).toEqual({ key: 'ASIABOX', token: 'box-token' })
    },
  )

  test('that a token file is exchanged for, with the role of the environment', async () => {
    const keys = `<AccessKeyId>ASIAWEB</AccessKeyId><SecretAccessKey>web-secret</SecretAccessKey><SessionToken>web-token</SessionToken><Expiration>${inAnHour()}</Expiration>`
    const sts = await started(() => ({
      headers: { 'Content-Type': 'text/xml' },
      body: `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>${keys}</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
    }))
    const file = join(scratch(), 'token')
    writeFileSync(file, 'the-web-token')
    Object.assign(process.env, {
      AWS_WEB_IDENTITY_TOKEN_FILE: file,
      AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/web',
      AWS_REGION: 'eu-west-9',
    })
    Object.assign(process.env, { AWS_ROLE_SESSION_NAME: 'kura-test', AWS_ENDPOINT_URL_STS: sts.url })
    const service = await bucket()
    await (await open(service)).close()
    const form = new URLSearchParams(sts.requests[0]?.body.toString())
    expect(Object.fromEntries(form)).toMatchObject({
      Action: 'AssumeRoleWithWebIdentity',
      RoleArn: 'arn:aws:iam::123456789012:role/web',
      RoleSessionName: 'kura-test',
      WebIdentityToken: 'the-web-token',
    })
    expect(signer(service.requests[0])).toEqual({ key: 'ASIAWEB', token: 'web-token' })
  })

  test('and is anonymous where there is no role', async () => {
    const metadata = await started(() => ({ status: 404 }))
    process.env['AWS_EC2_METADATA_SERVICE_ENDPOINT'] = metadata.url
    const service = await bucket()
    await (await open(service)).close()
    expect(service.requests[0]?.headers.authorization).toBeUndefined()
  })
})

test('a container that gives no keys is CredentialsError, without its token', async () => {
  const agent = await started(() => ({ status: 403, json: { message: 'no' } }))
  process.env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] = `${agent.url}/creds`
  process.env['AWS_CONTAINER_AUTHORIZATION_TOKEN'] = 'box-pass'
  const failure = await open(await bucket()).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(CredentialsError)
  expect(String(failure)).not.toContain('box-pass')
})
