import { UsageError } from '#base/errors.ts'

const zeroTime = '0001-01-01T00:00:00Z'

/** Milliseconds of a `pointInTime` member (RFC 3339); undefined when it is empty or the zero time. Throws UsageError. */
export function pointInTimeMs(text: string, what: string): number | undefined {
  if (text === '' || text === zeroTime) return undefined
  const ms = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms)) throw new UsageError(`${what}: "pointInTime" must be a time like 2026-01-31T12:00:00Z, not "${text}"`)
  return ms
}
