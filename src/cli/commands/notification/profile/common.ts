import type { CommandContext } from '#cli/context.ts'
import { CommandError } from '#cli/exit.ts'
import type { Flag } from '#cli/flag.ts'
import { sendSettings } from '#cli/notify.ts'
import type { MethodConfig } from '#snapshot/notify/senders/sender.ts'
import { type SeverityName, severities, severityName, severityNames } from '#snapshot/notify/severity.ts'

export const profileName = { name: 'profile-name', type: 'string', required: true, describe: 'Name of the profile' } as const satisfies Flag

/** Flags that configuring any kind of profile has. */
export const configureFlags = [
  profileName,
  { name: 'send-test-notification', type: 'bool', describe: 'Send a test message first; save only when that works' },
  { name: 'min-severity', type: 'enum', values: severityNames, describe: 'Least severity that is told of' },
] as const satisfies readonly Flag[]

export const formatFlag = {
  name: 'format',
  type: 'enum',
  values: ['html', 'txt'],
  describe: 'Format of the messages',
} as const satisfies Flag

interface CommonValues {
  readonly 'profile-name': string
  readonly 'send-test-notification': boolean
  readonly 'min-severity': string | undefined
}

/** Creates a profile, or changes of an existing one what is given: empty settings stay as they are (spec 06, 13.2). */
export async function configureProfile(c: CommandContext, type: string, values: CommonValues, given: MethodConfig): Promise<void> {
  const [{ findProfile, saveProfile }, { senderType }] = await Promise.all([
    import('#snapshot/notify/profiles.ts'),
    import('#snapshot/notify/senders/registry.ts'),
  ])
  const repository = await c.openDirect()
  const name = values['profile-name']
  const before = await findProfile(repository, name)
  if (before && before.type !== type) throw new CommandError(`profile "${name}" already exists but is not of type "${type}"`)
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== '' && value !== 0))
  const wanted = values['min-severity'] as SeverityName | undefined
  const minSeverity = wanted === undefined ? (before?.minSeverity ?? severities.report) : severities[wanted]
  const config = senderType(type)?.complete({ ...before?.config, ...set }) ?? {}
  const profile = { name, type, config, minSeverity }
  if (values['send-test-notification']) {
    const { sendTestMessage } = await import('#snapshot/notify/send.ts')
    await sendTestMessage(repository, profile, sendSettings(c, repository))
  }
  c.log.info(`Saving notification profile "${name}" of type "${type}" with severity "${severityName(minSeverity)}".`)
  await saveProfile(repository, profile)
  await repository.flush()
}
