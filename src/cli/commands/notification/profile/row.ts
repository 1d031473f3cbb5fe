import type { Flag } from '#cli/flag.ts'
import { type NotificationProfile, profileSummary } from '#snapshot/notify/profiles.ts'
import { severityName } from '#snapshot/notify/severity.ts'

export const rawFlag = {
  name: 'raw',
  type: 'bool',
  describe: 'With --json: all settings, passwords and keys in clear',
} as const satisfies Flag

/** A profile as lists show it. */
export function profileRow(profile: NotificationProfile) {
  const { name, type, minSeverity } = profile
  const summary = profileSummary(profile)
  return {
    title: `Profile "${name}" Type "${type}" Minimum Severity: ${severityName(minSeverity)}`,
    summary,
    json: { profile: name, type, summary, minSeverity },
  }
}
