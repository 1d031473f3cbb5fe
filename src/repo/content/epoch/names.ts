import type { BlobInfo } from '#repo/blob/storage.ts'

/** Prefixes of the blobs of the epoch scheme (spec 02, section 0). */
export const uncompactedPrefix = 'xn'
export const singlePrefix = 'xs'
export const rangePrefix = 'xr'
export const markerPrefix = 'xe'
export const watermarkPrefix = 'xw'

/** Start of the names of uncompacted index blobs of an epoch. */
export const uncompactedOf = (epoch: number): string => `${uncompactedPrefix}${epoch}_`

/** Bodies of the plain blobs; readers ignore them. */
export const markerBody = Buffer.from('epoch-marker')
export const watermarkBody = Buffer.from('deletion-watermark')

const decimal = (text: string | undefined): number | undefined => {
  if (text === undefined || !/^\d+$/.test(text)) return undefined
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : undefined
}

/** Epoch that a blob belongs to, or undefined when its name has none (spec 02, 4.3.2). */
export function epochOfName(name: string): number | undefined {
  return decimal((name.split('_', 1)[0] as string).replace(/^\D+/, ''))
}

/** First and last epoch of a range checkpoint, or undefined (spec 02, 4.3.2). */
export function rangeOfName(name: string): { readonly first: number; readonly last: number } | undefined {
  const parts = name.split('_')
  const first = decimal(parts[0]?.replace(/^\D+/, ''))
  const last = decimal(parts[1])
  return parts.length < 3 || first === undefined || last === undefined || last < first ? undefined : { first, last }
}

/** Unix seconds of a watermark blob, or undefined (spec 02, 4.3.2). */
export function watermarkOfName(name: string): number | undefined {
  const text = name.slice(watermarkPrefix.length)
  const value = Number(text)
  return /^[+-]?\d+$/.test(text) && Number.isSafeInteger(value) ? value : undefined
}

/** The first complete set among blobs of one epoch or range, or undefined. `blobs` in listing order. Source: spec 02, 4.3.2. */
export function completeSet<T extends Pick<BlobInfo, 'id'>>(blobs: readonly T[]): T[] | undefined {
  const sets = new Map<string, T[]>()
  for (const blob of blobs) {
    const parts = blob.id.split('-')
    const size = parts[2]?.startsWith('c') ? decimal(parts[2].slice(1)) : undefined
    if (parts[1] === undefined || !parts[1].startsWith('s') || size === undefined) return [blob]
    const members = sets.get(parts[1]) ?? []
    members.push(blob)
    sets.set(parts[1], members)
    if (members.length === size) return members
  }
  return undefined
}
