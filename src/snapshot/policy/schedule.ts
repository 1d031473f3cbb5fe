import { nextCronTime, parseCron } from './cron.ts'
import type { SchedulingPolicy } from './policy.ts'

const secondNs = 1_000_000_000n
const dayNs = 86_400n * secondNs
/** From 0001-01-01 to 1970-01-01. */
const goEpochSeconds = 62_135_596_800n
const missedRunNs = 30n * 60n * secondNs

/** When the next snapshot is due, in nanoseconds since the epoch; undefined for never. `previousNs`: start of the last complete snapshot
 *  or of the last attempt, whichever is later; 0n if there was none. Times of day and cron lines are in the time zone of the process.
 *  Source: spec 07, 7.3.4. */
export function nextSnapshotTime(scheduling: SchedulingPolicy, previousNs: bigint, nowNs: bigint): bigint | undefined {
  if (scheduling.manual) return undefined
  const next = earliest(nextByInterval(scheduling, previousNs, nowNs), nextByClock(scheduling, nowNs))
  if (next === undefined || scheduling.runMissed !== true) return next
  const missed = nextByClock(scheduling, previousNs + secondNs)
  if (missed === undefined) return next
  const first = earliest(next, missed) as bigint
  return first < nowNs && next > nowNs + missedRunNs ? nowNs : next
}

const earliest = (a: bigint | undefined, b: bigint | undefined): bigint | undefined =>
  a === undefined || (b !== undefined && b < a) ? b : a

function nextByInterval(scheduling: SchedulingPolicy, previousNs: bigint, nowNs: bigint): bigint | undefined {
  if (!scheduling.intervalSeconds || scheduling.intervalSeconds < 0) return undefined
  const interval = BigInt(scheduling.intervalSeconds) * secondNs
  const sinceYearOne = previousNs + interval + goEpochSeconds * secondNs
  const time = sinceYearOne - (sinceYearOne % interval) - goEpochSeconds * secondNs
  return time < nowNs ? nowNs : time
}

function nextByClock(scheduling: SchedulingPolicy, nowNs: bigint): bigint | undefined {
  let next: bigint | undefined
  const now = new Date(Number(nowNs / 1_000_000n))
  for (const { hour, min } of scheduling.timeOfDay ?? []) {
    const today = new Date(now.getFullYear(), now.getMonth(), now.getDate(), hour, min)
    const ns = BigInt(today.getTime()) * 1_000_000n
    next = earliest(next, nowNs > ns ? ns + dayNs : ns)
  }
  for (const line of scheduling.cron ?? []) {
    const cron = parseCron(line)
    const ms = cron && nextCronTime(cron, Number(nowNs / 1_000_000n))
    if (ms !== undefined) next = earliest(next, BigInt(ms) * 1_000_000n)
  }
  return next
}
