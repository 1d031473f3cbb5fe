import { UsageError } from '#base/errors.ts'
import type { SourceInfo } from '#snapshot/model/source.ts'
import { formatSource } from '#snapshot/model/source-text.ts'
import { cronText, parseCron } from './cron.ts'
import type { Policy } from './policy.ts'

const isRoot = (path: string): boolean => path === '/' || /^[A-Za-z]:[\\/]$/.test(path)

/** Refuses a policy that must not be stored for this target. Throws UsageError. Source: spec 03, 7.1; spec 07, 7.3.1. */
export function validatePolicy(target: SourceInfo, policy: Policy): void {
  const refuse = (why: string): never => {
    throw new UsageError(`cannot set the policy for ${formatSource(target)}: ${why}`)
  }
  if (/[\\/]$/.test(target.path) && !isRoot(target.path)) refuse('the path must not end in a slash or backslash')
  const { manual, ...others } = policy.scheduling
  if (manual && Object.values(others).some(isGiven))
    refuse('a manual policy cannot have a schedule (cannot set manual field when scheduling snapshots)')
  for (const line of policy.scheduling.cron ?? [])
    if (cronText(line) !== '' && parseCron(line) === undefined) refuse(`"${line}" is not a schedule (invalid cron expression)`)
  if (target.path !== '' && policy.upload.maxParallelSnapshots !== undefined)
    refuse('the number of parallel snapshots can only be set for a user, a host or globally')
}

const isGiven = (v: unknown): boolean => v !== undefined && v !== 0 && !(Array.isArray(v) && v.length === 0)
