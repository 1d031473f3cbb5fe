import type { Flag, ValuesOf } from '#cli/flag.ts'
import type { LogSession } from '#repo/maintenance/stored-logs.ts'

export const selectionFlags = [
  { name: 'all', type: 'bool', describe: 'All logs' },
  { name: 'latest', short: 'n', type: 'int', describe: 'Only the last N' },
  { name: 'younger-than', type: 'duration', describe: 'Only logs younger than this' },
  { name: 'older-than', type: 'duration', describe: 'Only logs older than this' },
] as const satisfies readonly Flag[]

type Values = ValuesOf<(typeof selectionFlags)[number]>

/** Logs that the flags select: younger, older, then the last N (spec 06, 14.5). */
export function selectLogs(logs: readonly LogSession[], values: Values, nowNs: bigint): readonly LogSession[] {
  if (values.all) return logs
  const younger = values['younger-than']
  const older = values['older-than']
  const ageNs = (log: LogSession): bigint => nowNs - BigInt(log.startSeconds) * 1_000_000_000n
  const found = logs.filter((log) => (younger === undefined || ageNs(log) < younger) && (older === undefined || ageNs(log) > older))
  return values.latest !== undefined && values.latest > 0 ? found.slice(-values.latest) : found
}
