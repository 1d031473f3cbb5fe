import { CommandError } from '#cli/exit.ts'
import type { Zone } from '#cli/print/zone.ts'

const form = /^(\d{4})-(\d{2})-(\d{2}) (\d{2}):(\d{2}):(\d{2}) ([A-Z]{3,5}|[+-]\d{2}(?:\d{2})?)$/

/** Nanoseconds of a time as the program prints it, `YYYY-MM-DD hh:mm:ss ZZZ`. A zone name that is neither UTC nor in use in `zone` counts
 *  as UTC (spec 06, 7.2). Throws CommandError. */
export function parsePrintedTime(text: string, flag: string, zone: Zone): bigint {
  const m = form.exec(text)
  const iso = m && `${m[1]}-${m[2]}-${m[3]}T${m[4]}:${m[5]}:${m[6]}.000Z`
  const ms = iso ? Date.parse(iso) : Number.NaN
  if (!m || Number.isNaN(ms) || new Date(ms).toISOString() !== iso)
    throw new CommandError(`could not parse ${flag}: "${text}" must have the form 2006-01-02 15:04:05 MST`)
  return BigInt(ms - offsetMs(m[7] as string, ms, zone)) * 1_000_000n
}

function offsetMs(name: string, ms: number, zone: Zone): number {
  const numeric = /^([+-])(\d{2})(\d{2})?$/.exec(name)
  if (numeric) return (numeric[1] === '-' ? -1 : 1) * (Number(numeric[2]) * 60 + Number(numeric[3] ?? 0)) * 60_000
  if (name === 'UTC') return 0
  // Summer and winter time differ by the name: look a half year around for the offset that goes with it.
  for (const months of [0, 3, 6, 9]) {
    const at = ms + months * 30 * 86_400_000
    if (zone.abbreviation(at) === name) return zone.offsetSeconds(at) * 1000
  }
  return 0
}
