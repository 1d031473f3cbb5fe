const prefixes = ['', 'K', 'M', 'G', 'T', 'P', 'E']

/** One decimal as C and Go write it: exact ties go to the even digit, where toFixed would round the first up. */
export function oneDecimal(value: number): string {
  if (!Number.isInteger(value * 4) || Number.isInteger(value * 2)) return value.toFixed(1)
  const tenths = Math.floor(value * 10)
  return ((tenths % 2 === 0 ? tenths : tenths + 1) / 10).toFixed(1)
}

function scaled(value: number, step: number, limit: number): { text: string; prefix: string } {
  let rest = value
  let at = 0
  while (rest >= limit && at < prefixes.length - 1) {
    rest /= step
    at++
  }
  return { text: oneDecimal(rest).replace(/\.0$/, ''), prefix: prefixes[at] as string }
}

/** Prints sizes and counts (spec 06, 5.4: SZ, speed, CNT). `binary`: powers of 1024, KOPIA_BYTES_STRING_BASE_2. */
export class SizePrinter {
  constructor(readonly binary: boolean) {}

  bytes(value: number): string {
    if (!this.binary) {
      const { text, prefix } = scaled(value, 1000, 900)
      return `${text} ${prefix}B`
    }
    const { text, prefix } = scaled(value, 1024, 921.6)
    return `${text} ${prefix}${prefix === '' ? '' : 'i'}B`
  }

  /** Bytes per second, always powers of 1000. */
  speed(bytesPerSecond: number): string {
    const { text, prefix } = scaled(bytesPerSecond, 1000, 900)
    return `${text} ${prefix}B/s`
  }

  /** A count of things; a trailing blank stays when there is no prefix. */
  count(value: number): string {
    const { text, prefix } = scaled(value, 1000, 900)
    return `${text} ${prefix}`
  }
}

/** Share of bytes saved, `0%` when nothing is (spec 06, 5.4: PCT). */
export function savedPercent(original: number, stored: number): string {
  if (original === 0 || stored >= original) return '0%'
  return `${oneDecimal(100 * (1 - stored / original))}%`
}
