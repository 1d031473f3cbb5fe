import { defineCommand } from '#cli/flag.ts'
import { configureFlags, configureProfile, formatFlag } from './common.ts'

export const pushover = defineCommand({
  flags: [
    ...configureFlags,
    { name: 'app-token', type: 'string', describe: 'Token of the Pushover application' },
    { name: 'user-key', type: 'string', describe: 'Key of the Pushover user or group' },
    formatFlag,
  ],
  run: (c, values) =>
    configureProfile(c, 'pushover', values, {
      appToken: values['app-token'] ?? '',
      userKey: values['user-key'] ?? '',
      format: values.format ?? '',
    }),
})
