import { goJson, goJsonIndented, type JsonValue, parseLosslessJson } from '#base/go-json.ts'
import { encodeSnapshot } from '#snapshot/model/manifest-json.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import type { LossReport } from '#snapshot/upload/losses.ts'
import type { CommandIo } from '../io.ts'

interface SnapshotJsonOptions {
  readonly indent: boolean
  readonly stats: boolean
  /** What the snapshot does not hold. Kopia has nothing of the kind: the key is there only when there is something to tell. */
  readonly losses: LossReport
}

/** The manifest as "snapshot create --json" prints it (spec 06, 8.1 and section 15). */
export function printSnapshotJson(io: CommandIo, snapshot: Snapshot, options: SnapshotJsonOptions): void {
  const { stats, ...rest } = parseLosslessJson(encodeSnapshot(snapshot, snapshot.id)) as Record<string, JsonValue>
  const manifest = options.stats ? (parseLosslessJson(encodeSnapshot(snapshot, snapshot.id)) as Record<string, JsonValue>) : rest
  const value: JsonValue = Object.keys(options.losses).length > 0 ? { ...manifest, losses: { ...options.losses } as JsonValue } : manifest
  io.out(options.indent ? goJsonIndented(value, '  ', '    ') : goJson(value))
}
