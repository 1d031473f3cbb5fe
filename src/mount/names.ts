/** Names of the upper levels of a mount, as Kopia gives them (spec 03, 6.8). */

/** File name of a source path or of `user@host`. */
export function safeName(text: string): string {
  if (text === '/') return '__root'
  const name = text
    .replace(/:[/\\]/g, '_')
    .replace(/^\/+/, '')
    .replace(/[/\\]/g, '_')
    .replace(/_+$/, '')
    .replace(/:+$/, '')
  return name === '' || name === '.' || name === '..' ? `_${name}` : name
}

/** A name for each of the texts, no two equal when lower-cased: of equal ones, in order of the texts, the 2nd gets ` (2)`, the 3rd ` (3)`,
 *  repeated until none are equal. The result has the order of `texts`. */
export function uniqueNames(texts: readonly string[], toName: (text: string) => string): string[] {
  const names = texts.map(toName)
  const order = texts.map((_, i) => i).sort((a, b) => compare(texts[a] as string, texts[b] as string))
  for (let changed = true; changed; ) {
    changed = false
    const seen = new Map<string, number>()
    for (const i of order) {
      const key = (names[i] as string).toLowerCase()
      const count = (seen.get(key) ?? 0) + 1
      seen.set(key, count)
      if (count > 1) {
        names[i] = `${names[i]} (${count})`
        changed = true
      }
    }
  }
  return names
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** `YYYYMMDD-HHMMSS` of a time in UTC, with ` (reason)` when the snapshot is incomplete. */
export function snapshotName(startNs: bigint, incomplete: string | undefined): string {
  const iso = new Date(Number(startNs / 1_000_000n)).toISOString()
  const time = `${iso.slice(0, 19).replace(/[-:]/g, '').replace('T', '-')}`
  return incomplete ? `${time} (${incomplete.replaceAll('/', '_')})` : time
}

/** The bytes of a name, one character each, as FUSE operations have them. */
export const byteName = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')
