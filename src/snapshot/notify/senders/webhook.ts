import { DeliveryError, ProfileError } from '../errors.ts'
import { post } from './http.ts'
import { formatOf, type SenderType, text } from './sender.ts'

/** A request to any HTTP server (spec 05, 5.7.2). */
export const webhook: SenderType = {
  type: 'webhook',

  complete(config) {
    const endpoint = text(config, 'endpoint')
    if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol))
      throw new ProfileError('invalid endpoint scheme, must be http:// or https://')
    return {
      endpoint,
      method: text(config, 'method') || 'POST',
      format: text(config, 'format') || 'txt',
      headers: text(config, 'headers'),
    }
  },

  sender(config) {
    const [method, endpoint, format] = ['method', 'endpoint', 'format'].map((key) => text(config, key)) as [string, string, string]
    return {
      format: formatOf(config),
      summary: `Webhook ${method} ${endpoint} Format "${format}"`,
      async send(message, { timeoutMs }) {
        const headers = new Map([['subject', message.subject]])
        for (const [name, value] of [...configured(text(config, 'headers')), ...Object.entries(message.headers)])
          headers.set(name.toLowerCase(), value)
        const { status, place } = await post(endpoint, method, headers, message.body, timeoutMs)
        if (status !== 200) throw new DeliveryError(`the webhook at ${place} answered with status ${status} instead of 200`)
      },
    }
  },
}

const configured = (lines: string): [string, string][] =>
  lines.split('\n').flatMap((line) => {
    const colon = line.indexOf(':')
    return colon < 0 ? [] : [[line.slice(0, colon).trim(), line.slice(colon + 1).trim()] as [string, string]]
  })
