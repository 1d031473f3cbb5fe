import { mapLimited } from '#base/limit.ts'
import type { ContentId } from '#repo/content/content-id.ts'
import { allIds, type ContentInfo, type IdRange } from '#repo/content/content-info.ts'
import type { IndexSet } from '#repo/content/index/index-set.ts'
import type { ContentStore } from '#repo/content/store.ts'

/** Packs filled to less than this are short (spec 07, 7.6.8). */
const shortPercent = 60

export interface RewriteSelection {
  /** Only these; the other members then do not matter. */
  readonly ids?: readonly ContentId[]
  readonly range?: IdRange
  /** Only contents of packs whose names begin with this. */
  readonly packPrefix?: string
  /** Contents of short packs; otherwise those that `formatVersion` selects, or all. */
  readonly shortPacks?: boolean
  readonly formatVersion?: number
  /** Leaves deleted contents where they are: what is dropped at once need not be copied first. */
  readonly withoutDeleted?: boolean
}

/** Contents to rewrite, ordered by where they lie. A short pack alone in its class is left alone. Source: spec 07, 7.6.8. */
export function selectForRewrite(set: IndexSet, maxPackBytes: number, selection: RewriteSelection): ContentInfo[] {
  const { ids, range = allIds, packPrefix = '', formatVersion, withoutDeleted = false } = selection
  const found: ContentInfo[] = []
  if (ids && ids.length > 0) {
    for (const id of ids) {
      const info = set.find(id)
      if (info) found.push(info)
    }
    return inPlaceOrder(found)
  }
  const short = selection.shortPacks ? shortPacks(set, maxPackBytes, packPrefix, withoutDeleted) : undefined
  for (const { file, row } of set.winners()) {
    if (withoutDeleted && file.deletedAt(row)) continue
    const pack = file.packAt(row)
    if (!(short ? short.has(pack) : pack.startsWith(packPrefix))) continue
    const info = file.at(row)
    if (info.id < range.start || info.id >= range.end) continue
    if (formatVersion === undefined || info.formatVersion === formatVersion) found.push(info)
  }
  return inPlaceOrder(found)
}

/** Packs of which so little is in use that their contents are worth moving together. */
export function shortPacks(set: IndexSet, maxPackBytes: number, packPrefix: string, withoutDeleted = false): Set<string> {
  const used = new Map<string, number>()
  for (const { file, row } of set.winners()) {
    if (withoutDeleted && file.deletedAt(row)) continue
    const pack = file.packAt(row)
    if (pack.startsWith(packPrefix)) used.set(pack, (used.get(pack) ?? 0) + file.packedLengthAt(row))
  }
  const limit = Math.floor((maxPackBytes * shortPercent) / 100)
  const groups = new Map<string, string[]>()
  for (const [pack, bytes] of used) {
    if (bytes >= limit) continue
    const group = groups.get(pack.slice(0, 1))
    if (group) group.push(pack)
    else groups.set(pack.slice(0, 1), [pack])
  }
  return new Set([...groups.values()].filter((group) => group.length > 1).flat())
}

const inPlaceOrder = (infos: ContentInfo[]): ContentInfo[] =>
  infos.sort((a, b) => (a.packBlob < b.packBlob ? -1 : a.packBlob > b.packBlob ? 1 : a.packOffset - b.packOffset))

export interface Amount {
  count: number
  bytes: number
}

export interface RewriteOutcome {
  readonly toRewrite: Amount
  readonly rewritten: Amount
  /** Too young. */
  readonly retained: Amount
}

export interface RewriteOptions {
  readonly minAgeMs: number
  readonly nowMs: number
  readonly parallelism: number
  /** Told of deleted contents that cannot be read; without it the first one ends the work. */
  readonly onDeletedFailure?: (id: ContentId, error: unknown) => void
}

/** Writes contents again into new packs, with their deletion marks, then flushes. What the first failure leaves is not flushed. */
export async function rewriteContents(
  contents: ContentStore,
  chosen: readonly ContentInfo[],
  options: RewriteOptions,
): Promise<RewriteOutcome> {
  const outcome = { toRewrite: noAmount(), rewritten: noAmount(), retained: noAmount() }
  await mapLimited(chosen, options.parallelism, async (info) => {
    if (options.nowMs - info.timestampSeconds * 1000 < options.minAgeMs) return add(outcome.retained, info)
    add(outcome.toRewrite, info)
    try {
      await contents.rewrite(info.id)
      add(outcome.rewritten, info)
    } catch (error) {
      if (!info.deleted || !options.onDeletedFailure) throw error
      options.onDeletedFailure(info.id, error)
    }
  })
  if (outcome.rewritten.count > 0) await contents.flush()
  return outcome
}

const noAmount = (): Amount => ({ count: 0, bytes: 0 })

function add(amount: Amount, info: ContentInfo): void {
  amount.count++
  amount.bytes += info.packedLength
}
