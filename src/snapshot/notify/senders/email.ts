import type SMTPTransport from 'nodemailer/lib/smtp-transport'
import { messageOf } from '#base/errors.ts'
import { DeliveryError, ProfileError } from '../errors.ts'
import type { Message } from '../message.ts'
import { formatOf, type MethodConfig, type SenderType, type SendOptions, text } from './sender.ts'

const submissionPort = 587
const implicitTlsPort = 465

/** Mail by SMTP (spec 05, 5.7.2). */
export const email: SenderType = {
  type: 'email',

  complete(config) {
    const port = Number(config['smtpPort'] || submissionPort)
    const complete: MethodConfig = {
      smtpServer: text(config, 'smtpServer'),
      smtpPort: port,
      smtpIdentity: text(config, 'smtpIdentity'),
      smtpUsername: text(config, 'smtpUsername'),
      smtpPassword: text(config, 'smtpPassword'),
      from: text(config, 'from'),
      to: text(config, 'to'),
      cc: text(config, 'cc'),
      format: text(config, 'format') || 'html',
    }
    if (complete['smtpServer'] === '') throw new ProfileError('SMTP server must be provided')
    if (complete['from'] === '') throw new ProfileError('From address must be provided')
    if (complete['to'] === '') throw new ProfileError('To address must be provided')
    if (!(Number.isInteger(port) && port > 0 && port < 65_536)) throw new ProfileError(`SMTP port ${port} does not exist`)
    return complete
  },

  sender(config) {
    const [server, from, to, format] = ['smtpServer', 'from', 'to', 'format'].map((key) => text(config, key))
    return {
      format: formatOf(config),
      summary: `SMTP server: "${server}", Mail from: "${from}" Mail to: "${to}" Format: "${format}"`,
      send: (message, options) => sendMail(config, message, options),
    }
  },
}

const addresses = (list: string): string[] =>
  list
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '')

/** What nodemailer hands to a method of authentication. */
interface SmtpAuthentication {
  readonly auth: { readonly credentials: { readonly user: string; readonly pass: string } }
  sendCommand(command: string): Promise<{ readonly status: number }>
}

const isThisMachine = (host: string): boolean => host === 'localhost' || host === '::1' || /^127\./.test(host)

async function sendMail(config: MethodConfig, message: Message, { timeoutMs }: SendOptions): Promise<void> {
  const { createTransport } = await import('nodemailer')
  const server = text(config, 'smtpServer')
  const port = Number(config['smtpPort'])
  const user = text(config, 'smtpUsername')
  const identity = text(config, 'smtpIdentity')
  /** RFC 4616: who is acted for, who asks, and the password. */
  const authenticate = async (session: SmtpAuthentication): Promise<void> => {
    const { user: name, pass } = session.auth.credentials
    const { status } = await session.sendCommand(`AUTH PLAIN ${Buffer.from(`${identity}\0${name}\0${pass}`).toString('base64')}`)
    if (status < 200 || status >= 300) throw new Error(`the server refused the user name or password (status ${status})`)
  }
  const transport = createTransport({
    host: server,
    port,
    secure: port === implicitTlsPort,
    // A password never travels in the clear but within this machine.
    requireTLS: user !== '' && !isThisMachine(server),
    ...(user === '' ? {} : { auth: { user, pass: text(config, 'smtpPassword'), method: 'PLAIN' }, customAuth: { PLAIN: authenticate } }),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  } as SMTPTransport.Options)
  const body = formatOf(config) === 'html' ? { html: message.body } : { text: message.body }
  try {
    await transport.sendMail({
      from: text(config, 'from'),
      to: addresses(text(config, 'to')),
      cc: addresses(text(config, 'cc')),
      subject: message.subject,
      headers: { ...message.headers },
      ...body,
    })
  } catch (error) {
    throw new DeliveryError(`cannot send mail by ${server}:${port}: ${messageOf(error)}`, { cause: error })
  } finally {
    transport.close()
  }
}
