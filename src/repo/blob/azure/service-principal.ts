import { createHash, randomUUID, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { systemClock } from '#base/clock.ts'
import { messageOf } from '#base/errors.ts'
import { CredentialsError } from '../errors.ts'
import { HttpClient } from '../http/client.ts'
import { requestToken, signedJwt, type Token } from '../http/oauth.ts'
import { type AzureOptions, what } from './options.ts'

/** Asks Microsoft's identity service for a token by the first of secret, certificate and token file that the connection has; undefined when it
 *  has none. `AZURE_AUTHORITY_HOST` names another service, as for Azure's own programs. Source: spec 04, 4.3.3; Microsoft identity
 *  platform, OAuth 2.0 client credentials flow. */
export function servicePrincipal(options: AzureOptions): (() => Promise<Token>) | undefined {
  const { tenantId, clientId, clientSecret, clientCertificate, federatedTokenFile } = options
  if (!tenantId || !clientId || !(clientSecret || clientCertificate || federatedTokenFile)) return undefined
  const authority = (process.env['AZURE_AUTHORITY_HOST'] || 'https://login.microsoftonline.com').replace(/\/$/, '')
  const url = `${authority}/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`
  const proof = (): Readonly<Record<string, string>> => {
    if (clientSecret) return { client_secret: clientSecret }
    const assertion = clientCertificate ? certificateAssertion(clientId, clientCertificate, url) : fileAssertion(federatedTokenFile)
    return { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: assertion }
  }
  return async () => {
    const client = new HttpClient()
    try {
      const form = { grant_type: 'client_credentials', client_id: clientId, scope: 'https://storage.azure.com/.default', ...proof() }
      return await requestToken(client, url, form, `service principal ${clientId}`)
    } finally {
      client.close()
    }
  }
}

/** A statement about ourselves, signed by the key of the certificate. `pem`: certificate and key. */
function certificateAssertion(clientId: string, pem: string, audience: string): string {
  const key = /-----BEGIN (?:RSA )?PRIVATE KEY-----[^-]+-----END (?:RSA )?PRIVATE KEY-----/.exec(pem)?.[0]
  const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(pem)?.[0]
  if (!key || !certificate) throw new CredentialsError(`${what}: the client certificate must be PEM text with a certificate and its key`)
  const thumbprint = createHash('sha1').update(new X509Certificate(certificate).raw).digest('base64url')
  const now = Math.floor(systemClock.nowMs() / 1000)
  const claims = { aud: audience, iss: clientId, sub: clientId, jti: randomUUID(), nbf: now - 60, exp: now + 600 }
  return signedJwt({ x5t: thumbprint }, claims, key)
}

function fileAssertion(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    throw new CredentialsError(`the token file of the workload identity cannot be read: ${messageOf(error)}`, { cause: error })
  }
}
