import { readFileSync } from 'node:fs'
import { messageOf, UsageError } from '#base/errors.ts'
import { defineStorage, pointInTimeFlag, pointInTimeOf, prefixFlag, withoutEmpty } from './provider.ts'

/** A bucket that speaks S3 (spec 04, 4.3.2). */
export const s3Storage = defineStorage({
  type: 's3',
  flags: [
    { name: 'bucket', type: 'string', required: true, describe: 'Bucket' },
    { name: 'endpoint', type: 'string', default: 's3.amazonaws.com', describe: 'Host of the service, with a port if it needs one' },
    { name: 'region', type: 'string', default: '', describe: 'Region of the bucket' },
    { name: 'access-key', type: 'string', env: 'AWS_ACCESS_KEY_ID', required: true, describe: 'Access key ID' },
    { name: 'secret-access-key', type: 'string', env: 'AWS_SECRET_ACCESS_KEY', required: true, describe: 'Secret access key' },
    { name: 'session-token', type: 'string', env: 'AWS_SESSION_TOKEN', describe: 'Token of temporary keys' },
    prefixFlag,
    { name: 'disable-tls', type: 'bool', describe: 'Plain HTTP' },
    { name: 'disable-tls-verification', type: 'bool', describe: 'Accept any certificate of the server' },
    pointInTimeFlag,
    { name: 'root-ca-pem-base64', type: 'string', env: 'ROOT_CA_PEM_BASE64', describe: 'Certificates to trust, PEM in base64' },
    { name: 'root-ca-pem-path', type: 'string', describe: 'File with certificates to trust, PEM' },
  ],
  async config(values, { use }) {
    if (values['root-ca-pem-base64'] && values['root-ca-pem-path'])
      throw new UsageError('--root-ca-pem-base64 and --root-ca-pem-path exclude each other')
    return {
      bucket: values.bucket,
      ...withoutEmpty({ prefix: values.prefix }),
      endpoint: values.endpoint,
      ...withoutEmpty({
        doNotUseTLS: values['disable-tls'],
        doNotVerifyTLS: values['disable-tls-verification'],
        rootCA: rootCertificates(values['root-ca-pem-base64'], values['root-ca-pem-path']),
      }),
      accessKeyID: values['access-key'],
      secretAccessKey: values['secret-access-key'],
      sessionToken: values['session-token'] ?? '',
      roleARN: '',
      sessionName: '',
      duration: '0s',
      roleEndpoint: '',
      roleRegion: '',
      ...withoutEmpty({ region: values.region, pointInTime: pointInTimeOf(values['point-in-time'], use) }),
    }
  },
})

/** Base64 of the PEM that one of the two flags gives. */
function rootCertificates(base64: string | undefined, path: string | undefined): string | undefined {
  if (path) {
    try {
      return readFileSync(path).toString('base64')
    } catch (error) {
      throw new UsageError(`cannot read the certificates of --root-ca-pem-path: ${messageOf(error)}`, { cause: error })
    }
  }
  if (!base64) return undefined
  const bytes = Buffer.from(base64, 'base64')
  if (!bytes.includes('-----BEGIN CERTIFICATE-----')) throw new UsageError('--root-ca-pem-base64 is not the base64 of PEM certificates')
  return bytes.toString('base64')
}
