import { mapLimited } from '#base/limit.ts'
import type { BlobId } from '#repo/blob/storage.ts'
import type { Cipher } from '#repo/crypto/algorithms.ts'
import { identityOf } from './content-id.ts'
import type { ContentInfo } from './content-info.ts'

/** So much that nobody asked for is read rather than asking twice. */
const gapBytes = 64 << 10
const maxRangeBytes = 4 << 20
const rangesAtOnce = 2

/** Some contents that lie near each other in a pack. */
interface Range {
  readonly pack: BlobId
  readonly start: number
  end: number
  /** Places in the list of contents, in the order of the pack. */
  readonly members: number[]
}

/** Ranges to read for these contents, each content in one (spec 02, 6.5). */
export function mergedRanges(infos: readonly ContentInfo[]): Range[] {
  const order = infos.map((_, i) => i)
  order.sort((x, y) => {
    const a = infos[x] as ContentInfo
    const b = infos[y] as ContentInfo
    return a.packBlob < b.packBlob ? -1 : a.packBlob > b.packBlob ? 1 : a.packOffset - b.packOffset
  })
  const ranges: Range[] = []
  for (const i of order) {
    const { packBlob: pack, packOffset: start, packedLength } = infos[i] as ContentInfo
    const end = start + packedLength
    const last = ranges.at(-1)
    if (last?.pack === pack && start <= last.end + gapBytes && Math.max(end, last.end) - last.start <= maxRangeBytes) {
      last.end = Math.max(end, last.end)
      last.members.push(i)
    } else ranges.push({ pack, start, end, members: [i] })
  }
  return ranges
}

/** Plain bytes of contents that are not compressed; undefined for what cannot be read or does not decrypt. */
export async function readMany(
  infos: readonly ContentInfo[],
  fetchRange: (pack: BlobId, offset: number, length: number) => Promise<Buffer>,
  open: NonNullable<Cipher['openRanges']>,
): Promise<(Buffer | undefined)[]> {
  const plains = new Array<Buffer | undefined>(infos.length).fill(undefined)
  await mapLimited(mergedRanges(infos), rangesAtOnce, async ({ pack, start, end, members }) => {
    const whole = await fetchRange(pack, start, end - start).catch(() => undefined)
    if (!whole) return
    const ranges = new Uint32Array(2 * members.length)
    for (const [k, i] of members.entries()) {
      const { packOffset, packedLength } = infos[i] as ContentInfo
      ranges[2 * k] = packOffset - start
      ranges[2 * k + 1] = packedLength
    }
    const opened = await open(whole, ranges, Buffer.concat(members.map((i) => identityOf((infos[i] as ContentInfo).id))))
    for (const [k, i] of members.entries()) plains[i] = opened[k]
  })
  return plains
}
