/** Source of time. Nothing outside this file reads the system clock, so that tests can pass their own. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number
  /** Nanoseconds since the Unix epoch, as the formats keep them. */
  nowNs(): bigint
}

// performance.timeOrigin + performance.now() gives sub-millisecond digits, but drifts from the wall clock over suspends:
// the wall clock is the base, the fine digits are only added below one millisecond.
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  nowNs: () => BigInt(Date.now()) * 1_000_000n + (process.hrtime.bigint() % 1_000_000n),
}
