/** Source of time. Nothing outside this file reads the system clock, so that tests can pass their own. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number
  /** Nanoseconds since the Unix epoch, as the formats keep them. */
  nowNs(): bigint
}

/** How far the fine clock may be off the wall clock before it is set again: the wall clock was changed, or the computer slept. */
const maxDriftNs = 2_000_000n

let fineOffsetNs: bigint | undefined

// The wall clock has milliseconds only. The fine digits come from the monotonic clock, set by the wall clock, so that two calls in
// one millisecond never run backwards.
function nowNs(): bigint {
  const wallNs = BigInt(Date.now()) * 1_000_000n
  const monotonicNs = process.hrtime.bigint()
  fineOffsetNs ??= wallNs - monotonicNs
  const drift = monotonicNs + fineOffsetNs - wallNs
  if (drift > maxDriftNs || drift < -maxDriftNs) fineOffsetNs = wallNs - monotonicNs
  return monotonicNs + fineOffsetNs
}

export const systemClock: Clock = { nowMs: () => Date.now(), nowNs }
