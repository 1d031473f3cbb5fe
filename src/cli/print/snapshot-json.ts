import { goJson, goJsonIndented, type JsonValue, parseLosslessJson } from '#base/go-json.ts'
import { encodeSnapshot } from '#snapshot/model/manifest-json.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import type { CommandIo } from '../io.ts'

/** The manifest as "snapshot create --json" prints it (spec 06, 8.1 and section 15). */
export function printSnapshotJson(io: CommandIo, snapshot: Snapshot, options: { readonly indent: boolean; readonly stats: boolean }): void {
  const { stats, ...rest } = parseLosslessJson(encodeSnapshot(snapshot, snapshot.id)) as Record<string, JsonValue>
  const value = options.stats ? (parseLosslessJson(encodeSnapshot(snapshot, snapshot.id)) as JsonValue) : rest
  io.out(options.indent ? goJsonIndented(value, '  ', '    ') : goJson(value))
}
