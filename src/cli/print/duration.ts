const second = 1_000_000_000n

/** A duration in nanoseconds as Go prints it: `1h30m0s`, `1.5s`, `300ms`, `0s` (spec 06, 5.4: DUR). */
export function goDuration(ns: bigint): string {
  if (ns < 0n) return `-${goDuration(-ns)}`
  if (ns === 0n) return '0s'
  if (ns < second) {
    const [unit, name] = ns < 1_000n ? [1n, 'ns'] : ns < 1_000_000n ? [1_000n, 'µs'] : [1_000_000n, 'ms']
    return withFraction(ns, unit as bigint) + name
  }
  const hours = ns / (3600n * second)
  const minutes = (ns / (60n * second)) % 60n
  const seconds = `${withFraction(ns % (60n * second), second)}s`
  if (hours > 0n) return `${hours}h${minutes}m${seconds}`
  return minutes > 0n ? `${minutes}m${seconds}` : seconds
}

function withFraction(value: bigint, unit: bigint): string {
  const digits = unit.toString().length - 1
  const fraction = digits === 0 ? '' : (value % unit).toString().padStart(digits, '0').replace(/0+$/, '')
  return fraction === '' ? `${value / unit}` : `${value / unit}.${fraction}`
}

/** The same cut or rounded to whole seconds. */
export const wholeSeconds = (ns: bigint, round: 'cut' | 'round' = 'cut'): string =>
  goDuration(((ns + (round === 'round' ? second / 2n : 0n)) / second) * second)
