import { readFileSync, readlinkSync } from 'node:fs'

/** A time zone: its offset and abbreviation at a moment. */
export interface Zone {
  offsetSeconds(ms: number): number
  /** `UTC`, `CET` …, or `+hh`, `+hhmm` where the zone has no abbreviation. */
  abbreviation(ms: number): string
}

export const utc: Zone = { offsetSeconds: () => 0, abbreviation: () => 'UTC' }

/** The zone for `--timezone`: `local`, `utc`, `original` (times are stored in UTC) or an IANA name; an unknown name is `original`. */
export function zoneOf(name: string | undefined, env: Readonly<Record<string, string | undefined>>): Zone {
  if (name === undefined || name === '' || name === 'local') return localZone(env)
  if (name === 'utc' || name === 'original') return utc
  try {
    return new NamedZone(name)
  } catch {
    return utc
  }
}

function localZone(env: Readonly<Record<string, string | undefined>>): Zone {
  const name = (env['TZ'] ?? localName()).replace(/^:/, '')
  if (name === '' || /^(Etc\/)?(UTC|UCT|Zulu|Universal)$/.test(name)) return utc
  try {
    return new NamedZone(name)
  } catch {
    return utc
  }
}

function localName(): string {
  try {
    return (
      /zoneinfo\/(?:posix\/|right\/)?(.+)$/.exec(readlinkSync('/etc/localtime'))?.[1] ?? Intl.DateTimeFormat().resolvedOptions().timeZone
    )
  } catch {
    return Intl.DateTimeFormat().resolvedOptions().timeZone
  }
}

/** Offsets come from the runtime; abbreviations from the system's zone file, whose names (CET, EST) the runtime does not know in full. */
class NamedZone implements Zone {
  readonly #format: Intl.DateTimeFormat
  readonly #names: ReadonlyMap<number, string>

  constructor(name: string) {
    this.#format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' })
    this.#names = abbreviations(name)
  }

  offsetSeconds(ms: number): number {
    const text = this.#format.formatToParts(ms).find((p) => p.type === 'timeZoneName')?.value ?? ''
    const m = /([+-])(\d{2}):(\d{2})(?::(\d{2}))?/.exec(text)
    if (!m) return 0
    const size = Number(m[2]) * 3600 + Number(m[3]) * 60 + Number(m[4] ?? 0)
    return m[1] === '-' ? -size : size
  }

  abbreviation(ms: number): string {
    const offset = this.offsetSeconds(ms)
    return this.#names.get(offset) ?? numericName(offset)
  }
}

function numericName(offsetSeconds: number): string {
  const size = Math.abs(offsetSeconds)
  const minutes = Math.floor((size % 3600) / 60)
  const hours = `${Math.floor(size / 3600)}`.padStart(2, '0')
  return `${offsetSeconds < 0 ? '-' : '+'}${hours}${minutes === 0 ? '' : `${minutes}`.padStart(2, '0')}`
}

/** Newest abbreviation of each offset in a zone file; empty when there is no such file. Source: RFC 8536, section 3. */
function abbreviations(name: string): ReadonlyMap<number, string> {
  const names = new Map<number, string>()
  if (!/^[A-Za-z0-9_+\-/]+$/.test(name)) return names
  try {
    const file = readFileSync(`/usr/share/zoneinfo/${name}`)
    if (file.toString('latin1', 0, 4) !== 'TZif') return names
    const [, , , times, types, characters] = [20, 24, 28, 32, 36, 40].map((at) => file.readUInt32BE(at)) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ]
    const indexes = file.subarray(44 + times * 4, 44 + times * 5)
    const table = 44 + times * 5
    const text = file.subarray(table + types * 6, table + types * 6 + characters)
    // Types that are used come last, so that they win over those that merely exist.
    for (const type of [...Array(types).keys(), ...indexes]) {
      const start = file[table + type * 6 + 5] as number
      const abbreviation = text.toString('latin1', start, text.indexOf(0, start))
      if (/^[A-Z]/i.test(abbreviation)) names.set(file.readInt32BE(table + type * 6), abbreviation)
      else names.delete(file.readInt32BE(table + type * 6))
    }
  } catch {
    names.clear()
  }
  return names
}
