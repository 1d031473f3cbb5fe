import type { BlobInfo } from '#repo/blob/storage.ts'
import type { EpochParameters } from '#repo/format/repository-format.ts'
import {
  completeSet,
  epochOfName,
  markerPrefix,
  rangeOfName,
  rangePrefix,
  singlePrefix,
  uncompactedPrefix,
  watermarkOfName,
  watermarkPrefix,
} from './names.ts'

/** A complete set of blobs that replaces all index blobs of epochs first..last. */
export interface EpochRange {
  readonly first: number
  readonly last: number
  readonly blobs: readonly BlobInfo[]
}

/** What one look at the storage says of the epochs (spec 02, 4.3.3). */
export interface EpochState {
  /** The epoch that writers write to. */
  readonly writeEpoch: number
  /** Unix seconds; absent = none. */
  readonly watermarkSeconds?: number
  /** Complete single-epoch sets. */
  readonly single: ReadonlyMap<number, readonly BlobInfo[]>
  /** Complete range checkpoints, by first epoch. */
  readonly ranges: readonly EpochRange[]
  /** The chain of ranges from epoch 0 that readers use. */
  readonly chain: readonly EpochRange[]
  /** First epoch after the chain. */
  readonly firstAfterChain: number
  /** Blobs `xn` of the epochs around the write epoch; each of the three is present, if only as an empty list. */
  readonly uncompacted: ReadonlyMap<number, readonly BlobInfo[]>
  /** From then on (milliseconds) the state must not be used. */
  readonly validUntilMs: number
}

/** Epochs this far behind the write epoch get no more blobs (spec 02, 4.3.3). */
export const isSettled = (epoch: number, writeEpoch: number): boolean => epoch <= writeEpoch - 2

/** No listing is done in less; a repository that asks for it could not be read at all. */
const minRefreshMs = 1000

/** How long a state may be used. */
export const refreshMs = (parameters: EpochParameters): number => Math.max(minRefreshMs, Number(parameters.epochRefreshFrequencyNs) / 1e6)

/** Greatest epoch that has a marker, 0 if none. */
export const writeEpochOf = (blobs: readonly BlobInfo[]): number => greatest(blobs, markerPrefix, epochOfName) ?? 0

/** The epochs whose `xn` blobs belong to a state. */
export const epochsAround = (writeEpoch: number): number[] => [writeEpoch - 1, writeEpoch, writeEpoch + 1].filter((e) => e >= 0)

/** State of the epochs from a listing of all `xe`, `xw`, `xs`, `xr` blobs and the `xn` blobs of the epochs around the write epoch;
 *  other blobs are ignored. `startedMs` = time before the listing began. Pure. Source: spec 02, 4.3.2 and 4.3.3. */
export function deriveEpochState(listing: readonly BlobInfo[], parameters: EpochParameters, startedMs: number): EpochState {
  const blobs = [...listing].sort((a, b) => (a.id < b.id ? -1 : 1))
  const writeEpoch = writeEpochOf(blobs)
  const single = new Map<number, readonly BlobInfo[]>()
  for (const [epoch, members] of groupByEpoch(blobs, singlePrefix)) {
    const set = completeSet(members)
    if (set) single.set(epoch, set)
  }
  const ranges = completeRanges(blobs)
  const chain = bestChain(ranges)
  const all = groupByEpoch(blobs, uncompactedPrefix)
  const uncompacted = new Map(epochsAround(writeEpoch).map((e) => [e, all.get(e) ?? []]))
  const watermarkSeconds = greatest(blobs, watermarkPrefix, watermarkOfName)
  const firstAfterChain = (chain.at(-1)?.last ?? -1) + 1
  const validUntilMs = startedMs + refreshMs(parameters)
  const state = { writeEpoch, single, ranges, chain, firstAfterChain, uncompacted, validUntilMs }
  return watermarkSeconds === undefined ? state : { ...state, watermarkSeconds }
}

/** The chain of ranges, each starting where the one before ended, that begins at epoch 0 and reaches the highest epoch; on a tie the
 *  one of fewer ranges. A range of epoch 0 alone is no chain. Source: spec 02, 4.3.3. */
export function bestChain(ranges: readonly EpochRange[]): EpochRange[] {
  interface Link {
    readonly range: EpochRange
    readonly next: Link | undefined
    readonly reach: number
    readonly length: number
  }
  const best = new Map<number, Link>()
  for (const range of [...ranges].sort((a, b) => b.first - a.first)) {
    const next = best.get(range.last + 1)
    const link: Link = { range, next, reach: next?.reach ?? range.last, length: (next?.length ?? 0) + 1 }
    const rival = best.get(range.first)
    if (!rival || link.reach > rival.reach || (link.reach === rival.reach && link.length < rival.length)) best.set(range.first, link)
  }
  const chain: EpochRange[] = []
  const start = best.get(0)
  if (start && start.reach > 0) for (let link: Link | undefined = start; link; link = link.next) chain.push(link.range)
  return chain
}

/** The blobs that hold everything of epochs first..last (default: all that readers read). `listUncompacted` gives the `xn` blobs of
 *  epochs that the state does not hold: it is called with their first and last number, at most once. Source: spec 02, 4.3.4. */
export async function activeIndexBlobs(
  state: EpochState,
  listUncompacted: (first: number, last: number) => Promise<readonly BlobInfo[]>,
  last = state.writeEpoch + 1,
): Promise<BlobInfo[]> {
  const result = last < state.firstAfterChain ? [] : state.chain.flatMap((range) => range.blobs)
  result.push(...(await blobsOfEpochs(state, state.firstAfterChain, last, listUncompacted)))
  return result
}

/** The blobs that hold everything of epochs first..last, none of which a range covers. */
export async function blobsOfEpochs(
  state: EpochState,
  first: number,
  last: number,
  listUncompacted: (first: number, last: number) => Promise<readonly BlobInfo[]>,
): Promise<BlobInfo[]> {
  const replaced = (epoch: number): boolean => isSettled(epoch, state.writeEpoch) && state.single.has(epoch)
  const found = new Map<number, readonly BlobInfo[]>()
  for (const [epoch, blobs] of state.single) if (epoch >= first && epoch <= last && replaced(epoch)) found.set(epoch, blobs)
  for (const [epoch, blobs] of state.uncompacted) if (epoch >= first && epoch <= last && !replaced(epoch)) found.set(epoch, blobs)
  // Fewer found than there are epochs: the others must be listed. Their numbers are not walked, the storage could name any.
  if (found.size < last - first + 1) {
    const listed = [...(await listUncompacted(first, last))].sort((a, b) => (a.id < b.id ? -1 : 1))
    for (const [epoch, blobs] of groupByEpoch(listed, uncompactedPrefix))
      if (epoch >= first && epoch <= last && !found.has(epoch)) found.set(epoch, blobs)
  }
  return [...found].sort(([a], [b]) => a - b).flatMap(([, blobs]) => blobs)
}

/** Blobs of a prefix by their epoch, in the order given. */
export function groupByEpoch(blobs: readonly BlobInfo[], prefix: string): Map<number, BlobInfo[]> {
  const groups = new Map<number, BlobInfo[]>()
  for (const blob of blobs) {
    const epoch = blob.id.startsWith(prefix) ? epochOfName(blob.id) : undefined
    if (epoch === undefined) continue
    const group = groups.get(epoch)
    if (group) group.push(blob)
    else groups.set(epoch, [blob])
  }
  return groups
}

function completeRanges(blobs: readonly BlobInfo[]): EpochRange[] {
  const groups = new Map<string, { first: number; last: number; members: BlobInfo[] }>()
  for (const blob of blobs) {
    const range = blob.id.startsWith(rangePrefix) ? rangeOfName(blob.id) : undefined
    if (range === undefined) continue
    const name = `${range.first}_${range.last}`
    const group = groups.get(name) ?? { ...range, members: [] }
    group.members.push(blob)
    groups.set(name, group)
  }
  const complete: EpochRange[] = []
  for (const { first, last, members } of groups.values()) {
    const set = completeSet(members)
    if (set) complete.push({ first, last, blobs: set })
  }
  return complete.sort((a, b) => a.first - b.first || a.last - b.last)
}

function greatest(blobs: readonly BlobInfo[], prefix: string, numberOf: (name: string) => number | undefined): number | undefined {
  let best: number | undefined
  for (const { id } of blobs) {
    const value = id.startsWith(prefix) ? numberOf(id) : undefined
    if (value !== undefined && (best === undefined || value > best)) best = value
  }
  return best
}
