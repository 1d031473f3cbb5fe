import { UsageError } from '#base/errors.ts'
import { defineCommand } from '#cli/flag.ts'
import { configureFlags, configureProfile, formatFlag } from './common.ts'

/** Exists only where test flags do (spec 06, section 3). */
export const testsender = defineCommand({
  flags: [...configureFlags, formatFlag],
  async run(c, values) {
    if (!c.env['KOPIA_TESTONLY_FLAGS']) throw new UsageError('expected command but got "testsender"')
    await configureProfile(c, 'testsender', values, { format: values.format ?? '' })
  },
})
