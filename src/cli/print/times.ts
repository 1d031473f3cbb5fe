import type { Zone } from './zone.ts'

/** Prints points in time (spec 06, 5.4: TS and TSms). */
export class TimePrinter {
  constructor(readonly zone: Zone) {}

  /** `YYYY-MM-DD hh:mm:ss ZZZ`. */
  seconds(ns: bigint): string {
    return this.#print(ns, false)
  }

  /** `YYYY-MM-DD hh:mm:ss.mmm ZZZ`. */
  milliseconds(ns: bigint): string {
    return this.#print(ns, true)
  }

  /** `YYYY-MM-DD HH:MM:SS[.fffffffff] ±hhmm ZONE`, a Go time string. */
  go(ns: bigint): string {
    const { ms, rest } = split(ns)
    const offset = this.zone.offsetSeconds(ms)
    const fraction = (String(((ms % 1000) + 1000) % 1000).padStart(3, '0') + String(rest).padStart(6, '0')).replace(/0+$/, '')
    const size = Math.abs(offset)
    const hhmm = `${String(Math.floor(size / 3600)).padStart(2, '0')}${String(Math.floor((size % 3600) / 60)).padStart(2, '0')}`
    const point = fraction === '' ? '' : `.${fraction}`
    return `${iso(ms + offset * 1000).slice(0, 19)}${point} ${offset < 0 ? '-' : '+'}${hhmm} ${this.zone.abbreviation(ms)}`
  }

  #print(ns: bigint, withMs: boolean): string {
    const { ms } = split(ns)
    const text = iso(ms + this.zone.offsetSeconds(ms) * 1000)
    return `${text.slice(0, withMs ? 23 : 19)} ${this.zone.abbreviation(ms)}`
  }
}

const iso = (ms: number): string =>
  new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/^[+-]\d\d(?=\d{4})/, '')

function split(ns: bigint): { ms: number; rest: bigint } {
  let ms = ns / 1_000_000n
  let rest = ns % 1_000_000n
  if (rest < 0n) {
    rest += 1_000_000n
    ms -= 1n
  }
  return { ms: Number(ms), rest }
}

/** Milliseconds with a fraction, as storage tells them, in nanoseconds; good to a microsecond, and never in the next millisecond,
 *  which printing would show. */
export function nsOfMs(ms: number): bigint {
  const whole = Math.floor(ms)
  return BigInt(whole) * 1_000_000n + BigInt(Math.min(999, Math.round((ms - whole) * 1000))) * 1000n
}
