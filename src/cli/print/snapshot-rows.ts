import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { compactReasons } from '#snapshot/policy/retention.ts'
import type { StorageUse } from '../commands/snapshot/storage-use.ts'
import type { Painter } from './colors.ts'
import { modeText } from './mode.ts'
import { type SizePrinter, savedPercent } from './sizes.ts'
import type { TimePrinter } from './times.ts'

/** A snapshot and the entry that its row is about. */
export interface ListedSnapshot {
  readonly snapshot: Snapshot
  readonly entry: DirectoryEntry
  readonly reasons: readonly string[]
  readonly use: StorageUse | undefined
}

export interface RowOptions {
  readonly humanReadable: boolean
  readonly owner: boolean
  readonly mtime: boolean
  readonly manifestId: boolean
  readonly delta: boolean
  readonly storageStats: boolean
  /** Show every row, also those equal to the one before. */
  readonly identical: boolean
}

interface Printers {
  readonly sizes: SizePrinter
  readonly times: TimePrinter
  readonly paint: Painter
}

/** Rows of one group of "snapshot list", equal neighbours merged (spec 06, 8.2). */
export function snapshotRows(listed: readonly ListedSnapshot[], options: RowOptions, printers: Printers): string[] {
  const rows: string[] = []
  let lastTotal = 0
  for (let i = 0; i < listed.length; ) {
    const first = listed[i] as ListedSnapshot
    let end = i + 1
    while (!options.identical && listed[end]?.entry.objectId === first.entry.objectId) end++
    const merged = listed.slice(i, end)
    rows.push(snapshotRow(merged, options, printers, lastTotal))
    const last = merged.at(-1) as ListedSnapshot
    if (merged.length > 1) rows.push(`  + ${merged.length - 1} identical snapshots until ${printers.times.seconds(last.snapshot.startNs)}`)
    for (const { snapshot } of merged) if (!snapshot.incomplete) lastTotal = snapshot.stats.totalBytes
    i = end
  }
  return rows
}

function snapshotRow(merged: readonly ListedSnapshot[], options: RowOptions, { sizes, times, paint }: Printers, lastTotal: number): string {
  const { snapshot, entry, use } = merged[0] as ListedSnapshot
  const summary = entry.summary
  const size = summary?.totalBytes ?? entry.sizeBytes
  const parts: string[] = []
  if (snapshot.incomplete) parts.push(`incomplete:${snapshot.incomplete}`)
  parts.push(options.humanReadable ? sizes.bytes(size) : String(size), modeText(entry.type, entry.mode))
  if (options.owner) parts.push(`uid:${entry.uid}`, `gid:${entry.gid}`)
  if (options.mtime) parts.push(`modified:${times.seconds(entry.modifiedNs)}`)
  if (options.manifestId) parts.push(`manifest:${snapshot.id}`)
  // The entry's own size: 0 for a directory, whose total is in its summary.
  if (options.delta) parts.push(entry.sizeBytes > lastTotal ? `(+${sizes.bytes(entry.sizeBytes - lastTotal)})` : '')
  if (summary && entry.type === 'd') parts.push(`files:${summary.fileCount}`, `dirs:${summary.directoryCount}`)
  const failed = summary?.fatalErrorCount ?? 0
  if (failed > 0) parts.push(`errors:${failed}`)
  if (options.storageStats && use) {
    const { packedContentBytes, originalContentBytes, fileObjects, dirObjects } = use.newData
    parts.push(`new-data:${sizes.bytes(packedContentBytes)}`, `new-files:${fileObjects}`, `new-dirs:${dirObjects}`)
    parts.push(`compression:${savedPercent(originalContentBytes, packedContentBytes)}`)
  }
  const reasons = merged.length > 1 ? compactReasons(merged.flatMap((m) => m.reasons)) : (merged[0] as ListedSnapshot).reasons
  if (reasons.length > 0) parts.push(`(${reasons.join(',')})`)
  const pins = [...new Set(merged.flatMap((m) => m.snapshot.pins))].sort()
  if (pins.length > 0) parts.push(`pins:${pins.join(',')}`)
  const text = `  ${times.seconds(snapshot.startNs)} ${entry.objectId} ${parts.join(' ')}`
  return failed > 0 ? paint.error(text) : text
}
