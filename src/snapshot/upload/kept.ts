import type { ObjectId } from '#repo/object/object.ts'
import type { DirectoryEntry, DirectorySummary } from '#snapshot/model/directory-entry.ts'
import { directoryEnd, directoryOf, sortEntries } from '#snapshot/model/directory-json.ts'
import { encodeEntry } from '#snapshot/model/entry-json.ts'
import { type FolderScan, type StoredMatches, storedFoldersStart } from '#snapshot/tree/folder-scan.ts'
import { type IgnoreContext, whyHidden } from '#snapshot/tree/ignore-rules.ts'
import type { LocalEntry } from '#snapshot/tree/local-tree.ts'
import type { UploadContext } from './context.ts'
import { entryFor } from './leaf.ts'
import type { StoredObject } from './previous.ts'
import type { SummaryBuilder } from './summary.ts'

/** Unchanged entries asked for at once; between two such lots the walk gives way to others. */
const lotSize = 4096
/** The lowest minimum of a splitter is 64 KiB: what is shorter is one chunk whoever wrote it, and its ID depends on its bytes only. */
const oneChunkBytes = 64 << 10

/** Entries of one directory that are taken over from an earlier snapshot as they stand in its JSON (spec 07, 7.1.5). */
export class KeptEntries {
  /** By index of the scan: 1 for what is taken over. */
  readonly flags: Uint8Array
  count = 0

  constructor(
    readonly scan: FolderScan,
    readonly matches: StoredMatches,
    readonly stored: StoredObject,
  ) {
    this.flags = new Uint8Array(scan.count)
  }

  keep(index: number): void {
    this.flags[index] = 1
    this.count++
  }

  *#indexes(): Generator<number> {
    for (let i = this.flags.indexOf(1); i >= 0; i = this.flags.indexOf(1, i + 1)) yield i
  }

  /** As objects, for where the JSON does not do. */
  entries(): DirectoryEntry[] {
    return Array.from(this.#indexes(), (i) => ({
      ...entryFor(this.scan.entry(i)),
      objectId: this.matches.objectId(i, this.stored.bytes) as ObjectId,
    }))
  }

  addTo(summary: SummaryBuilder): void {
    summary.addLeaves(this.matches.totals(this.flags))
  }

  /** Bytes of the directory that has these entries and `folders`, which must all be directories. */
  encode(folders: readonly DirectoryEntry[], summary: DirectorySummary): Buffer {
    const { stored, matches } = this
    const parts: Buffer[] = folders.length === 0 ? [] : [Buffer.from(sortEntries(folders).map(encodeEntry).join(','))]
    let start = -1
    let end = -1
    for (let i = 0; i < this.flags.length; i++) {
      if (this.flags[i] !== 1) continue
      // Neighbours in the JSON stay one piece, with the comma between them.
      if (matches.start(i) !== end + 1) {
        if (end >= 0) parts.push(stored.bytes.subarray(start, end))
        start = matches.start(i)
      }
      end = matches.end(i)
    }
    if (end >= 0) parts.push(stored.bytes.subarray(start, end))
    return directoryOf(parts, summary)
  }

  /** The earlier directory's ID, when it is sure that these bytes would get the same one. */
  sameObject(bytes: Buffer): ObjectId | undefined {
    return this.#objectOf() !== undefined && bytes.equals(this.stored.bytes) ? this.#objectOf() : undefined
  }

  /** sameObject of encode([], summary), which need not be made. */
  sameWithoutFolders(summary: DirectorySummary): ObjectId | undefined {
    const { flags, matches, stored } = this
    let end = storedFoldersStart - 1
    for (let i = 0; i < flags.length; i++) {
      if (flags[i] !== 1) continue
      if (matches.start(i) !== end + 1) return undefined
      end = matches.end(i)
    }
    return stored.bytes.subarray(end).equals(directoryEnd(summary)) ? this.#objectOf() : undefined
  }

  #objectOf(): ObjectId | undefined {
    const { id, bytes } = this.stored
    return /^k[0-9a-f]+$/.test(id) && bytes.length < oneChunkBytes ? id : undefined
  }
}

export interface UnchangedRequest {
  readonly relative: string
  readonly local: LocalEntry
  readonly rules: IgnoreContext
  readonly scan: FolderScan
  readonly stored: StoredObject | undefined
  /** Told of each entry that a loss may have to be reported of. */
  readonly onSpecial: (entry: LocalEntry, relative: string, mayHaveAttributes: boolean) => void
}

/** Takes over what matches the earlier directory, is not hidden by rules, and has its contents in the repository. */
export async function keepUnchanged(context: UploadContext, d: UnchangedRequest): Promise<KeptEntries | undefined> {
  const { scan, stored } = d
  const { matches } = scan
  if (!matches || !stored || (context.request.forceHashPercent ?? 0) > 0) return undefined
  const kept = new KeptEntries(scan, matches, stored)
  const prefix = d.relative === '' ? '' : `${d.relative}/`
  const mayHide = hidesSomething(d.rules)
  for (let from = 0; from < scan.count && !context.stop.stopped; from += lotSize) {
    const lot: number[] = []
    for (let i = from; i < Math.min(from + lotSize, scan.count); i++)
      if (matches.end(i) > 0 && !(mayHide && isHidden(d, matches, prefix, i))) lot.push(i)
    const present = await context.repository.objects.arePresentAt(stored.bytes, matches.objectPlaces(lot))
    takeLot(context, d, kept, prefix, lot, present)
    if (from + lotSize < scan.count) await new Promise<void>((resolve) => setImmediate(resolve))
  }
  return kept
}

function isHidden(d: UnchangedRequest, matches: StoredMatches, prefix: string, i: number): boolean {
  const candidate = { isDirectory: false, sizeBytes: matches.sizeBytes(i), device: matches.device(i) }
  return whyHidden(d.rules, `/${prefix}${matches.name(i)}`, candidate, d.local.device) !== undefined
}

function takeLot(
  { counters, observer }: UploadContext,
  { scan, onSpecial }: UnchangedRequest,
  kept: KeptEntries,
  prefix: string,
  lot: readonly number[],
  present: Uint8Array,
): void {
  const { matches } = kept
  const isNamed = observer.takesCachedPaths !== false
  let sizeBytes = 0
  let count = 0
  for (let k = 0; k < lot.length; k++) {
    if (present[k] !== 1) continue
    const i = lot[k] as number
    kept.keep(i)
    count++
    sizeBytes += matches.sizeBytes(i)
    observer.cached?.(isNamed ? prefix + matches.name(i) : '', matches.sizeBytes(i))
    const mayHaveAttributes = scan.mayHaveAttributes(i)
    if (mayHaveAttributes || matches.linkCount(i) > 1) onSpecial(scan.entry(i), prefix + matches.name(i), mayHaveAttributes)
  }
  counters.cachedFileCount += count
  counters.totalBytes += sizeBytes
}

function hidesSomething(rules: IgnoreContext | undefined): boolean {
  for (let r = rules; r; r = r.parent) if (r.patterns.length > 0 || r.maxFileSizeBytes > 0 || r.oneFileSystem) return true
  return false
}
