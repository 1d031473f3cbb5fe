import { decodeBase64Url } from '#base/base64.ts'
import { goJson, type JsonValue } from '#base/go-json.ts'
import { asObject, type JsonObject, memberOf, parseFirstJson, stringOf } from '#base/json-read.ts'
import { type ConnectionInfo, parseConnectionInfo } from '#repo/blob/registry.ts'
import { InvalidTokenError } from './errors.ts'

/** All that is needed to connect to a repository in one word. Holds secrets in clear. */
export interface ConnectionToken {
  readonly storage: ConnectionInfo
  /** '' = not part of the token. */
  readonly password: string
}

const version = '1'

/** base64url without padding of the token's JSON (spec 01, 1.21.5). */
export function encodeToken(token: ConnectionToken): string {
  const json = goJson({
    version,
    storage: { type: token.storage.type, config: token.storage.config as JsonValue },
    password: token.password || undefined,
  })
  return Buffer.from(json, 'utf8').toString('base64url')
}

/** Inverse of encodeToken; line breaks are skipped. Throws InvalidTokenError, or UsageError when the storage in it is not known. */
export async function decodeToken(text: string): Promise<ConnectionToken> {
  let json: JsonObject
  let password: string
  try {
    json = asObject(parseFirstJson(decodeBase64Url(text).toString('utf8')), 'the token')
    password = stringOf(json, 'password', 'the token')
    if (memberOf(json, 'version') !== version) throw new InvalidTokenError('unsupported token version')
  } catch (error) {
    if (error instanceof InvalidTokenError) throw error
    throw new InvalidTokenError('invalid token: unable to decode token', { cause: error })
  }
  return { storage: await parseConnectionInfo(memberOf(json, 'storage')), password }
}
