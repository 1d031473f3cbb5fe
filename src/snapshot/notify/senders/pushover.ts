import { DeliveryError, ProfileError } from '../errors.ts'
import { post } from './http.ts'
import { formatOf, type SenderType, text } from './sender.ts'

const service = 'https://api.pushover.net/1/messages.json'

/** Messages to phones by pushover.net (spec 05, 5.7.2). The `endpoint` of a profile stands in for the service. */
export const pushover: SenderType = {
  type: 'pushover',

  complete(config) {
    const [appToken, userKey, endpoint] = ['appToken', 'userKey', 'endpoint'].map((key) => text(config, key)) as [string, string, string]
    if (appToken === '') throw new ProfileError('App Token must be provided')
    if (userKey === '') throw new ProfileError('User Key must be provided')
    return { appToken, userKey, format: text(config, 'format') || 'txt', ...(endpoint === '' ? {} : { endpoint }) }
  },

  sender(config) {
    const [token, user, format] = ['appToken', 'userKey', 'format'].map((key) => text(config, key)) as [string, string, string]
    return {
      format: formatOf(config),
      summary: `Pushover user "${user}" app "${token}" format "${format}"`,
      async send({ subject, body }, { timeoutMs }) {
        const html = format === 'html' ? { html: '1' } : {}
        const request = JSON.stringify({ token, user, message: `${subject}\n\n${body}`, ...html })
        const headers = new Map([['content-type', 'application/json']])
        const { status, place } = await post(text(config, 'endpoint') || service, 'POST', headers, request, timeoutMs)
        if (status !== 200) throw new DeliveryError(`Pushover at ${place} answered with status ${status} instead of 200`)
      },
    }
  },
}
