import { parseTimeNs } from '#base/time.ts'
import type { UpgradeLock } from './repository-format.ts'

const drainNs = (lock: UpgradeLock): bigint => lock.maxPermittedClockDriftNs + 2n * lock.ioDrainTimeoutNs

/** When the upgrade starts, in nanoseconds since the epoch (spec 01, 1.14). */
export function upgradeTimeNs(lock: UpgradeLock): bigint {
  const drain = drainNs(lock)
  const notice = lock.advanceNoticeDurationNs
  return parseTimeNs(lock.creationTime) + (notice > drain ? notice : drain)
}

/** Whether others must stay away at `nowNs` (spec 01, 1.14). */
export function isLocked(lock: UpgradeLock | undefined, nowNs: bigint): boolean {
  if (!lock) return false
  const drain = drainNs(lock)
  const notice = lock.advanceNoticeDurationNs
  return notice < drain || nowNs >= parseTimeNs(lock.creationTime) + notice - drain
}

/** Whether all writers have stopped at `nowNs` (spec 01, 1.14). */
export function isDrained(lock: UpgradeLock | undefined, nowNs: bigint): boolean {
  return lock !== undefined && nowNs >= upgradeTimeNs(lock)
}
