import { goString } from '#base/go-json.ts'
import { type JsonObject, JsonShapeError, memberOf } from '#base/json-read.ts'
import { formatTimeNs, TimeFormatError } from '#base/time.ts'
import type { ObjectId } from '#repo/object/object.ts'
import type { DirectoryEntry, DirectorySummary } from './directory-entry.ts'
import { formatGoMode, parseGoMode } from './go-mode.ts'
import { asObject, integerField, objectField, optionalList, optionalString, stringField } from './json-fields.ts'
import { decodeName } from './raw-name.ts'
import { fastTimeNs } from './time-text.ts'

/** An entry to be written. A name that is not UTF-8 comes as its bytes, or as text of decodeName (lone surrogates). */
export interface NewDirectoryEntry extends DirectoryEntry {
  readonly rawName?: Buffer
}

const modeTexts = new Map<number, string>()

function modeText(mode: number): string {
  let text = modeTexts.get(mode)
  if (text === undefined) {
    const go = formatGoMode(mode)
    text = go === '' ? '' : `,"mode":"${go}"`
    modeTexts.set(mode & 0o7777, text)
  }
  return text
}

/** Go-form JSON of one entry, members omitted as the format says (spec 03, 5.1). */
export function encodeEntry(entry: NewDirectoryEntry): string {
  const name = entry.rawName ? decodeName(entry.rawName) : entry.name
  let json = name === '' ? '' : `,"name":${goString(name)}`
  if (entry.type !== '') json += `,"type":${goString(entry.type)}`
  json += modeText(entry.mode)
  if (entry.sizeBytes !== 0) json += `,"size":${integerText(entry.sizeBytes)}`
  if (entry.modifiedNs !== 0n) json += `,"mtime":"${formatTimeNs(entry.modifiedNs)}"`
  if (entry.uid !== 0) json += `,"uid":${entry.uid}`
  if (entry.gid !== 0) json += `,"gid":${entry.gid}`
  json += `,"obj":${goString(entry.objectId)}`
  if (entry.summary) json += `,"summ":${encodeSummary(entry.summary)}`
  return `{${json.slice(1)}}`
}

const integerText = (n: number): string => (Number.isSafeInteger(n) ? String(n) : BigInt(Math.trunc(n)).toString())

/** Go-form JSON of a summary (spec 03, 5.2). Errors are written in the order given. */
export function encodeSummary(summary: DirectorySummary): string {
  let json =
    `{"size":${integerText(summary.totalBytes)},"files":${summary.fileCount},"symlinks":${summary.symlinkCount},` +
    `"dirs":${summary.directoryCount},"maxTime":"${formatTimeNs(summary.maxTimeNs)}"`
  if (summary.incomplete) json += `,"incomplete":${goString(summary.incomplete)}`
  json += `,"numFailed":${summary.fatalErrorCount}`
  if (summary.ignoredErrorCount !== 0) json += `,"numIgnoredErrors":${summary.ignoredErrorCount}`
  if (summary.errors.length > 0)
    json += `,"errors":[${summary.errors.map((e) => `{"path":${goString(e.path)},"error":${goString(e.error)}}`).join(',')}]`
  return `${json}}`
}

const parsedModes = new Map<string, number>()

function modeOf(text: string): number {
  let mode = parsedModes.get(text)
  if (mode === undefined) {
    mode = parseGoMode(text)
    if (mode === undefined) throw new JsonShapeError(`"mode" is not a number: ${JSON.stringify(text)}`)
    if (parsedModes.size < 4096) parsedModes.set(text, mode)
  }
  return mode
}

interface RawEntry {
  readonly name?: unknown
  readonly type?: unknown
  readonly mode?: unknown
  readonly size?: unknown
  readonly mtime?: unknown
  readonly uid?: unknown
  readonly gid?: unknown
  readonly obj?: unknown
  readonly summ?: unknown
}

const isId = (n: unknown): n is number => typeof n === 'number' && n >= 0 && n <= 0xffffffff && Number.isInteger(n)

/** An entry from parsed JSON. Throws JsonShapeError, TimeFormatError. */
export function decodeEntry(value: unknown): DirectoryEntry {
  const raw = value as RawEntry
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw new JsonShapeError('an entry is not an object')
  const { name, type, mode, size, mtime, uid, gid, obj, summ } = raw
  // What every known writer produces, checked without a call per member; everything else takes the careful way.
  if (
    typeof name === 'string' &&
    typeof type === 'string' &&
    typeof obj === 'string' &&
    (mode === undefined || typeof mode === 'string') &&
    (size === undefined || (typeof size === 'number' && Number.isSafeInteger(size))) &&
    (mtime === undefined || typeof mtime === 'string') &&
    (uid === undefined || isId(uid)) &&
    (gid === undefined || isId(gid))
  ) {
    const entry = {
      name,
      type,
      mode: mode === undefined ? 0 : modeOf(mode),
      sizeBytes: size ?? 0,
      modifiedNs: mtime === undefined ? 0n : fastTimeNs(mtime),
      uid: uid ?? 0,
      gid: gid ?? 0,
      objectId: obj as ObjectId | '',
    }
    if (summ === undefined || summ === null) return entry
    return { ...entry, summary: decodeSummary(summ) }
  }
  return decodeUnusualEntry(raw as JsonObject)
}

function decodeUnusualEntry(raw: JsonObject): DirectoryEntry {
  const mode = stringField(raw, 'mode')
  const summary = objectField(raw, 'summ')
  return {
    name: stringField(raw, 'name'),
    type: stringField(raw, 'type'),
    mode: mode === '' ? 0 : modeOf(mode),
    sizeBytes: integerField(raw, 'size'),
    modifiedNs: timeField(raw, 'mtime'),
    uid: idField(raw, 'uid'),
    gid: idField(raw, 'gid'),
    objectId: stringField(raw, 'obj') as ObjectId | '',
    ...(summary ? { summary: decodeSummary(summary) } : {}),
  }
}

function idField(raw: JsonObject, key: string): number {
  const value = integerField(raw, key)
  if (!isId(value)) throw new JsonShapeError(`"${key}" is out of range`)
  return value
}

/** Nanoseconds; 0 if the member is missing. */
export function timeField(raw: JsonObject, key: string): bigint {
  const text = optionalString(raw, key)
  return text === undefined ? 0n : fastTimeNs(text)
}

/** A summary from parsed JSON. Throws JsonShapeError, TimeFormatError. */
export function decodeSummary(value: unknown): DirectorySummary {
  const raw = asObject(value, 'summ') ?? {}
  const incomplete = optionalString(raw, 'incomplete')
  return {
    totalBytes: integerField(raw, 'size'),
    fileCount: integerField(raw, 'files'),
    symlinkCount: integerField(raw, 'symlinks'),
    directoryCount: integerField(raw, 'dirs'),
    maxTimeNs: timeField(raw, 'maxTime'),
    ...(incomplete ? { incomplete } : {}),
    fatalErrorCount: integerField(raw, 'numFailed'),
    ignoredErrorCount: memberOf(raw, 'numIgnoredErrors') === undefined ? 0 : integerField(raw, 'numIgnoredErrors'),
    errors: (optionalList(raw, 'errors') ?? []).map((e) => {
      const object = asObject(e, 'errors') ?? {}
      return { path: stringField(object, 'path'), error: stringField(object, 'error') }
    }),
  }
}

/** True for what decodeEntry and decodeSummary throw because of the data. */
export const isFormatFault = (error: unknown): error is Error => error instanceof JsonShapeError || error instanceof TimeFormatError
