import { messageOf } from '#base/errors.ts'
import { jsonText, memberOf, parseFirstJson } from '#base/json-read.ts'
import type { DirectoryEntry, DirectorySummary } from './directory-entry.ts'
import { decodeEntry, decodeSummary, encodeEntry, encodeSummary, isFormatFault, type NewDirectoryEntry } from './entry-json.ts'
import { DirectoryFormatError } from './errors.ts'
import { asObject } from './json-fields.ts'
import { encodeName } from './raw-name.ts'

const stream = 'kopia:directory'

/** Bytes of a directory object, in the one form that all writers must agree on. Entries come in any order.
 *  Source: spec 03, 5.1 and section 0. */
export function encodeDirectory(entries: readonly NewDirectoryEntry[], summary: DirectorySummary): Buffer {
  const list = entries.length === 0 ? 'null' : `[${sortEntries(entries).map(encodeEntry).join(',')}]`
  return Buffer.from(`{"stream":"${stream}","entries":${list},"summary":${encodeSummary(summary)}}\n`)
}

/** The same of pieces of JSON: each holds one entry or more, separated by commas, all in the right order and form. */
export function directoryOf(pieces: readonly Buffer[], summary: DirectorySummary): Buffer {
  if (pieces.length === 0) return encodeDirectory([], summary)
  const comma = Buffer.from(',')
  const list = pieces.flatMap((piece, i) => (i === 0 ? [piece] : [comma, piece]))
  return Buffer.concat([Buffer.from(`{"stream":"${stream}","entries":[`), ...list, directoryEnd(summary)])
}

/** What stands behind the last entry of a directory object that has any. */
export const directoryEnd = (summary: DirectorySummary): Buffer => Buffer.from(`],"summary":${encodeSummary(summary)}}\n`)

const surrogate = /[\ud800-\udfff]/

/** Directories first, then the rest, each by the raw bytes of the name (spec 03, 5.1). */
export function sortEntries<T extends NewDirectoryEntry>(entries: readonly T[]): T[] {
  const rank = (e: T) => (e.type === 'd' ? 0 : 1)
  // Below U+D800 code units order as UTF-8 does; only surrogates need the bytes.
  if (!entries.some((e) => e.rawName !== undefined || surrogate.test(e.name)))
    return entries.toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  return entries
    .map((entry) => ({ entry, key: entry.rawName ?? encodeName(entry.name) }))
    .sort((a, b) => rank(a.entry) - rank(b.entry) || Buffer.compare(a.key, b.key))
    .map((e) => e.entry)
}

export interface Directory {
  readonly entries: DirectoryEntry[]
  /** Undefined when the writer left it out. */
  readonly summary: DirectorySummary | undefined
}

/** Entries in stored order and the summary of a directory object. Of entries with the same name the last one counts. The size and
 *  time of sub-directories are as stored; see repository-tree.ts for what readers show. Throws DirectoryFormatError. */
export function decodeDirectory(bytes: Buffer): Directory {
  try {
    const top = asObject(parseFirstJson(jsonText(bytes, 'it'), JSON.parse), 'directory') ?? {}
    const kind = memberOf(top, 'stream')
    if (kind !== stream) throw new DirectoryFormatError(`the object is not a directory: its stream type is ${JSON.stringify(kind)}`)
    const list = memberOf(top, 'entries') ?? []
    if (!Array.isArray(list)) throw new DirectoryFormatError('the directory object is damaged: "entries" is not a list')
    const summary = memberOf(top, 'summary')
    return {
      entries: lastOfEachName((list as unknown[]).map(decodeEntry)),
      summary: summary === undefined || summary === null ? undefined : decodeSummary(summary),
    }
  } catch (error) {
    if (error instanceof SyntaxError || isFormatFault(error))
      throw new DirectoryFormatError(`the directory object is damaged: ${messageOf(error)}`, { cause: error })
    throw error
  }
}

function lastOfEachName(entries: DirectoryEntry[]): DirectoryEntry[] {
  const last = new Map<string, number>()
  for (let i = 0; i < entries.length; i++) last.set((entries[i] as DirectoryEntry).name, i)
  return last.size === entries.length ? entries : entries.filter((e, i) => last.get(e.name) === i)
}
