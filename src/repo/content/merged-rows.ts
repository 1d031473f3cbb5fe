import type { ContentInfo } from './content-info.ts'
import { beats } from './index/merge.ts'

/** Winners of two runs of rows in key order. Rows of `own` replace those of `committed` with the same ID unless beaten.
 *  Source: spec 02, sections 5 and 9. */
export function* mergedRows(own: readonly ContentInfo[], committed: Iterable<ContentInfo>): Generator<ContentInfo> {
  let next = 0
  for (const row of committed) {
    for (let mine = own[next]; mine && isBefore(mine, row); mine = own[++next]) yield mine
    const mine = own[next]
    if (mine?.id === row.id) {
      next++
      yield beats(row, mine) ? row : mine
    } else yield row
  }
  yield* own.slice(next)
}

/** Text order of IDs is key order: all IDs of a repository have the same hash length (spec 02, 1.4). */
export const byId = (a: ContentInfo, b: ContentInfo): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)

const isBefore = (a: ContentInfo, b: ContentInfo): boolean => a.id < b.id
