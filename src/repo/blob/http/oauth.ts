import { createPrivateKey, createSign } from 'node:crypto'
import { systemClock } from '#base/clock.ts'
import { messageOf } from '#base/errors.ts'
import { asObject, type JsonObject } from '#base/json-read.ts'
import { CredentialsError } from '../errors.ts'
import type { HttpClient } from './client.ts'
import { isTransientStatus, statusError } from './failure.ts'

export interface Token {
  readonly value: string
  readonly lifeSeconds: number
}

const segment = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url')

/** A JWT signed by RSA with SHA-256. `key`: PEM. Throws CredentialsError when it is no RSA key. Source: RFC 7515, RFC 7518 section 3.3. */
export function signedJwt(header: object, claims: object, key: string): string {
  const text = `${segment({ alg: 'RS256', typ: 'JWT', ...header })}.${segment(claims)}`
  try {
    const signature = createSign('RSA-SHA256').update(text).sign(createPrivateKey(key), 'base64url')
    return `${text}.${signature}`
  } catch (error) {
    // What the parser says could quote the key.
    throw new CredentialsError('the private key of the service account cannot be used. Check the credentials.', { cause: error })
  }
}

/** Asks a token service for an access token. `who` names whom for, in messages. Throws CredentialsError when it refuses.
 *  Source: RFC 6749, sections 4.4 and 5; RFC 7523. */
export async function requestToken(client: HttpClient, url: string, form: Readonly<Record<string, string>>, who: string): Promise<Token> {
  const what = `cannot get an access token for ${who} from ${new URL(url).host}`
  const reply = await client.call({
    method: 'POST',
    url,
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', Accept: 'application/json' },
    body: [Buffer.from(new URLSearchParams(form).toString())],
    what,
  })
  if (isTransientStatus(reply.status)) throw statusError(reply.status, `${what}: status ${reply.status}`)
  const json = jsonOf(reply.body)
  const value = json['access_token']
  if (reply.status !== 200 || typeof value !== 'string') {
    const why = [json['error'], json['error_description']].filter((text) => typeof text === 'string').join(': ')
    throw new CredentialsError(`${what}: ${why.split('\n')[0] || `status ${reply.status}`}. Check the credentials.`)
  }
  return { value, lifeSeconds: Number(json['expires_in']) || 3600 }
}

function jsonOf(body: Buffer): JsonObject {
  try {
    return asObject(JSON.parse(body.toString('utf8')), 'the answer')
  } catch (error) {
    return { error: `the answer is not JSON (${messageOf(error).slice(0, 40)})` }
  }
}

/** Gives a token that holds for a while; gets a new one when a fifth of its life is left, or the last one was `refused`, once for all who
 *  wait. */
export function keptToken(
  get: () => Promise<Token>,
  nowMs: () => number = () => systemClock.nowMs(),
): (refused?: string) => Promise<string> {
  let current: Promise<Token> | undefined
  let freshUntilMs = 0
  return async (refused) => {
    const last = current
    if (refused !== undefined && last && (await last).value === refused && current === last) current = undefined
    if (!current || nowMs() >= freshUntilMs) {
      const asked = get()
      current = asked
      freshUntilMs = Number.POSITIVE_INFINITY
      asked.then(
        (token) => {
          freshUntilMs = nowMs() + token.lifeSeconds * 800
        },
        () => {
          if (current === asked) current = undefined
        },
      )
    }
    return (await current).value
  }
}
