import { readFileSync } from 'node:fs'
import { systemClock } from '#base/clock.ts'
import { messageOf } from '#base/errors.ts'
import { asObject, type JsonObject, memberOf, stringOf } from '#base/json-read.ts'
import { CredentialsError } from '../errors.ts'
import type { HttpClient } from '../http/client.ts'
import { keptToken, requestToken, signedJwt } from '../http/oauth.ts'

export type AuthorizationHeaders = Readonly<Record<string, string>>

/** Gives the headers that say who we are; others than those that were `refused`, if there are others. */
export type Authorize = (refused?: AuthorizationHeaders) => Promise<AuthorizationHeaders>

/** Headers by the `credentials` or `credentialsFile` of a configuration, else by the application default credentials of the machine.
 *  Throws CredentialsError. Source: spec 04, 4.3.4. */
export async function googleAuthorization(config: JsonObject, what: string, scope: string, client: HttpClient): Promise<Authorize> {
  const embedded = memberOf(config, 'credentials')
  const file = stringOf(config, 'credentialsFile', what)
  if (embedded) return serviceAccount(asObject(embedded, `${what}: "credentials"`), scope, client)
  if (file) return serviceAccount(readKeyFile(file), scope, client)
  return applicationDefault(scope)
}

function readKeyFile(path: string): JsonObject {
  try {
    return asObject(JSON.parse(readFileSync(path, 'utf8')), path)
  } catch (error) {
    // What JSON.parse says would quote the file, which is a secret.
    const reason = error instanceof SyntaxError ? 'it is not JSON' : messageOf(error)
    throw new CredentialsError(`cannot read the credentials file ${path}: ${reason}`, { cause: error })
  }
}

/** Tokens by the key of a service account. Source: Google, "Using OAuth 2.0 for server to server applications"; RFC 7523. */
function serviceAccount(key: JsonObject, scope: string, client: HttpClient): Authorize {
  const what = 'the Google credentials'
  const text = (name: string) => stringOf(key, name, what)
  const email = text('client_email')
  if (text('type') !== 'service_account' || email === '' || text('private_key') === '')
    throw new CredentialsError('the Google credentials must be the JSON key of a service account. Make one in the console of the project.')
  const audience = text('token_uri') || 'https://oauth2.googleapis.com/token'
  const token = keptToken(() => {
    const now = Math.floor(systemClock.nowMs() / 1000)
    const kid = text('private_key_id')
    const claims = { iss: email, scope, aud: audience, iat: now, exp: now + 3600 }
    const assertion = signedJwt(kid ? { kid } : {}, claims, text('private_key'))
    return requestToken(client, audience, { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion }, email)
  })
  return async (refused) => ({ Authorization: `Bearer ${await token(refused?.['Authorization']?.replace('Bearer ', ''))}` })
}

async function applicationDefault(scope: string): Promise<Authorize> {
  const { GoogleAuth } = await import('google-auth-library')
  try {
    const client = await new GoogleAuth({ scopes: [scope] }).getClient()
    return async () => Object.fromEntries((await client.getRequestHeaders()).entries())
  } catch (error) {
    throw new CredentialsError(
      `there are no Google credentials on this machine (${messageOf(error)}). Give --credentials-file, or run "gcloud auth application-default login".`,
      { cause: error },
    )
  }
}
