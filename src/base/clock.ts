/** Source of time. Nothing outside this file reads the system clock, so that tests can pass their own. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number
  /** Nanoseconds since the Unix epoch, as the formats keep them. */
  nowNs(): bigint
}

/** A step back by more than this is somebody setting the clock, and is followed; a smaller one is how it was read. */
const setBackNs = 1_000_000_000n

let lastNs = 0n

// The wall clock has milliseconds only. The fine digits come from the monotonic clock; within one millisecond, and when the two are
// read apart, they could run backwards, which durations and orders of times must never see.
function nowNs(): bigint {
  const now = BigInt(Date.now()) * 1_000_000n + (process.hrtime.bigint() % 1_000_000n)
  lastNs = now > lastNs || lastNs - now > setBackNs ? now : lastNs + 1n
  return lastNs
}

export const systemClock: Clock = { nowMs: () => Date.now(), nowNs }
