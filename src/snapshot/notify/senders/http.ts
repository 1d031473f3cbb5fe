import { messageOf } from '#base/errors.ts'
import { httpAgents } from '#repo/blob/http/agent.ts'
import { HttpClient, type HttpReply } from '#repo/blob/http/client.ts'
import { DeliveryError } from '../errors.ts'

/** Sends `body` to an HTTP server. `place` is its name without path, parameters and user, which may be secret. Throws DeliveryError. */
export async function post(
  endpoint: string,
  method: string,
  headers: ReadonlyMap<string, string>,
  body: string,
  timeoutMs: number,
): Promise<{ readonly status: number; readonly place: string }> {
  const url = new URL(endpoint)
  const { username, password, host: place } = url
  const all = new Map([...headers].map(([name, value]) => [name, headerBytes(value)]))
  if (username !== '' && !all.has('authorization'))
    all.set('authorization', `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`)
  url.username = ''
  url.password = ''
  const client = new HttpClient(httpAgents(), timeoutMs)
  const call = { method, url: url.href, headers: Object.fromEntries(all), body: [Buffer.from(body)], what: `send to ${place}` }
  try {
    const { status } = await within(timeoutMs, client.call(call))
    return { status, place }
  } catch (error) {
    throw new DeliveryError(`cannot ${call.what}: ${messageOf(error).replace(`${call.what}: `, '')}`, { cause: error })
  } finally {
    client.close()
  }
}

async function within(timeoutMs: number, reply: Promise<HttpReply>): Promise<HttpReply> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DeliveryError(`no answer within ${timeoutMs / 1000} s`)), timeoutMs)
  })
  return Promise.race([reply, late]).finally(() => clearTimeout(timer))
}

/** A header has bytes, not letters: those of UTF-8, one a character. Line ends would begin another header. */
const headerBytes = (value: string): string => Buffer.from(value.replace(/[\r\n\0]+/g, ' '), 'utf8').toString('latin1')
