import { goJson, goString, type JsonValue, sortedMap } from '#base/go-json.ts'
import { type JsonObject, JsonShapeError, memberOf } from '#base/json-read.ts'
import { formatTimeNs } from '#base/time.ts'
import { decodeEntry, encodeEntry, isFormatFault, timeField } from './entry-json.ts'
import { SnapshotFormatError } from './errors.ts'
import { asObject, integerField, objectField, optionalString, optionalStrings, stringField } from './json-fields.ts'
import type { Snapshot, SnapshotStats } from './snapshot.ts'
import type { SourceInfo } from './source.ts'

/** Go-form JSON text of a snapshot manifest's payload; `id` is what the `id` member shall hold: '' when stored, the manifest ID in
 *  listings. Source: spec 03, 6.1. */
export function encodeSnapshot(snapshot: Snapshot, id = ''): string {
  let json =
    `{"id":${goString(id)},"source":${encodeSource(snapshot.source)},"description":${goString(snapshot.description)},` +
    `"startTime":"${formatTimeNs(snapshot.startNs)}","endTime":"${formatTimeNs(snapshot.endNs)}","stats":${encodeStats(snapshot.stats)}`
  if (snapshot.incomplete) json += `,"incomplete":${goString(snapshot.incomplete)}`
  json += `,"rootEntry":${snapshot.rootEntry ? encodeEntry(snapshot.rootEntry) : 'null'}`
  if (Object.keys(snapshot.tags).length > 0) json += `,"tags":${goJson(sortedMap(snapshot.tags))}`
  if (snapshot.storageStats !== undefined && snapshot.storageStats !== null)
    json += `,"storageStats":${goJson(snapshot.storageStats as JsonValue)}`
  if (snapshot.pins.length > 0) json += `,"pins":${goJson(sortedPins(snapshot.pins))}`
  return `${json}}`
}

export const encodeSource = (s: SourceInfo): string =>
  `{"host":${goString(s.host)},"userName":${goString(s.user)},"path":${goString(s.path)}}`

/** Sorted by bytes, each once. */
export const sortedPins = (pins: readonly string[]): string[] =>
  [...new Set(pins)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

function encodeStats(s: SnapshotStats): string {
  return goJson({
    totalSize: s.totalBytes,
    excludedTotalSize: s.excludedBytes,
    fileCount: s.fileCount,
    cachedFiles: s.cachedFileCount,
    nonCachedFiles: s.nonCachedFileCount,
    dirCount: s.directoryCount,
    excludedFileCount: s.excludedFileCount,
    excludedDirCount: s.excludedDirectoryCount,
    ignoredErrorCount: s.ignoredErrorCount,
    errorCount: s.errorCount,
  })
}

/** A snapshot from its parsed payload. `id`: the manifest's ID, which the payload does not hold. Throws SnapshotFormatError. */
export function decodeSnapshot(id: string, payload: unknown): Snapshot {
  try {
    const raw = asObject(payload, 'snapshot')
    if (!raw) throw new JsonShapeError('the payload is empty')
    const incomplete = optionalString(raw, 'incomplete')
    const rootEntry = objectField(raw, 'rootEntry')
    const storageStats = memberOf(raw, 'storageStats')
    return {
      id,
      source: decodeSource(objectField(raw, 'source')),
      description: stringField(raw, 'description'),
      startNs: timeField(raw, 'startTime'),
      endNs: timeField(raw, 'endTime'),
      stats: decodeStats(objectField(raw, 'stats') ?? {}),
      ...(incomplete ? { incomplete } : {}),
      ...(rootEntry ? { rootEntry: decodeEntry(rootEntry) } : {}),
      tags: decodeTags(objectField(raw, 'tags')),
      pins: optionalStrings(raw, 'pins') ?? [],
      ...(storageStats === undefined || storageStats === null ? {} : { storageStats }),
    }
  } catch (error) {
    if (isFormatFault(error)) throw new SnapshotFormatError(`the manifest of snapshot ${id} is damaged: ${error.message}`, { cause: error })
    throw error
  }
}

/** `{host, userName, path}`; missing members are empty. Throws JsonShapeError. */
export const decodeSource = (raw: JsonObject | undefined): SourceInfo => ({
  user: raw ? stringField(raw, 'userName') : '',
  host: raw ? stringField(raw, 'host') : '',
  path: raw ? stringField(raw, 'path') : '',
})

const decodeStats = (raw: JsonObject): SnapshotStats => ({
  totalBytes: integerField(raw, 'totalSize'),
  excludedBytes: integerField(raw, 'excludedTotalSize'),
  fileCount: integerField(raw, 'fileCount'),
  cachedFileCount: integerField(raw, 'cachedFiles'),
  nonCachedFileCount: integerField(raw, 'nonCachedFiles'),
  directoryCount: integerField(raw, 'dirCount'),
  excludedFileCount: integerField(raw, 'excludedFileCount'),
  excludedDirectoryCount: integerField(raw, 'excludedDirCount'),
  ignoredErrorCount: integerField(raw, 'ignoredErrorCount'),
  errorCount: integerField(raw, 'errorCount'),
})

function decodeTags(raw: JsonObject | undefined): Record<string, string> {
  const tags: [string, string][] = []
  for (const [key, value] of Object.entries(raw ?? {})) {
    if (typeof value !== 'string') throw new JsonShapeError(`the tag ${JSON.stringify(key)} is not a string`)
    tags.push([key, value])
  }
  return Object.fromEntries(tags)
}

/** The same text as encodeSnapshot, of the root entry alone: two snapshots with equal text have identical roots. */
export const rootEntryText = (snapshot: Snapshot): string => (snapshot.rootEntry ? encodeEntry(snapshot.rootEntry) : 'null')
