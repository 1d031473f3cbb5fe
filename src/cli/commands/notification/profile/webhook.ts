import { UsageError } from '#base/errors.ts'
import { defineCommand } from '#cli/flag.ts'
import { configureFlags, configureProfile, formatFlag } from './common.ts'

export const webhook = defineCommand({
  flags: [
    ...configureFlags,
    { name: 'endpoint', type: 'string', describe: 'Address that messages are sent to' },
    { name: 'method', type: 'enum', values: ['POST', 'PUT'], describe: 'HTTP method' },
    { name: 'http-header', type: 'string', repeated: true, describe: 'HTTP header to send, as name:value' },
    formatFlag,
  ],
  async run(c, values) {
    for (const header of values['http-header'])
      if (!header.includes(':')) throw new UsageError(`invalid --http-header ${JSON.stringify(header)}, must be key:value`)
    await configureProfile(c, 'webhook', values, {
      endpoint: values.endpoint ?? '',
      method: values.method ?? '',
      headers: values['http-header'].join('\n'),
      format: values.format ?? '',
    })
  },
})
