import { type JsonValue, jsonTime } from '#base/go-json.ts'
import { formatGoMode } from '#snapshot/model/go-mode.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import type { Version } from '#snapshot/search/version.ts'
import type { CommandContext } from '../context.ts'

/** One line for a version: time, size, object, snapshots. */
export function versionLine(c: CommandContext, { entry, snapshots }: Version): string {
  const first = snapshots[0]
  const last = snapshots.at(-1)
  const times =
    first === last
      ? `in snapshot ${c.times.seconds(last?.startNs ?? 0n)}`
      : `in ${snapshots.length} snapshots ${c.times.seconds(first?.startNs ?? 0n)} ... ${c.times.seconds(last?.startNs ?? 0n)}`
  const size = c.sizes.bytes(entry.sizeBytes).padStart(9)
  return `  ${c.times.seconds(entry.modifiedNs)} ${size}  ${entry.objectId}  ${times} manifest:${last?.id ?? ''}`
}

const snapshotJson = ({ id, startNs, source }: Snapshot): JsonValue => ({ id, path: source.path, startTime: jsonTime(startNs) })

/** The same for programs. `isFull`: with every snapshot, not only the first and the last one. */
export function versionJson({ entry, snapshots }: Version, isFull: boolean): JsonValue {
  const first = snapshots[0] as Snapshot
  const last = snapshots.at(-1) as Snapshot
  const attributes = {
    type: entry.type,
    mode: formatGoMode(entry.mode),
    size: entry.sizeBytes,
    mtime: jsonTime(entry.modifiedNs),
    object: entry.objectId,
    snapshotCount: snapshots.length,
  }
  if (isFull) return { ...attributes, snapshots: snapshots.map(snapshotJson) }
  return { ...attributes, firstSnapshot: snapshotJson(first), lastSnapshot: snapshotJson(last) }
}
