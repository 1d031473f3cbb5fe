import { defineCommand } from '#cli/flag.ts'
import { configureFlags, configureProfile, formatFlag } from './common.ts'

export const email = defineCommand({
  flags: [
    ...configureFlags,
    { name: 'smtp-server', type: 'string', describe: 'Mail server' },
    { name: 'smtp-port', type: 'int', describe: 'Its port: 587, or 465 for TLS from the first byte' },
    { name: 'smtp-identity', type: 'string', describe: 'Who is acted for; usually nothing' },
    { name: 'smtp-username', type: 'string', describe: 'User name for the mail server' },
    { name: 'smtp-password', type: 'string', describe: 'Password for the mail server' },
    { name: 'mail-from', type: 'string', describe: 'Address of the sender' },
    { name: 'mail-to', type: 'string', describe: 'Addresses of the receivers, separated by commas' },
    { name: 'mail-cc', type: 'string', describe: 'Addresses that get a copy, separated by commas' },
    formatFlag,
  ],
  run: (c, values) =>
    configureProfile(c, 'email', values, {
      smtpServer: values['smtp-server'] ?? '',
      smtpPort: values['smtp-port'] ?? 0,
      smtpIdentity: values['smtp-identity'] ?? '',
      smtpUsername: values['smtp-username'] ?? '',
      smtpPassword: values['smtp-password'] ?? '',
      from: values['mail-from'] ?? '',
      to: values['mail-to'] ?? '',
      cc: values['mail-cc'] ?? '',
      format: values.format ?? '',
    }),
})
