import type { ContentInfo } from '#repo/content/content-info.ts'
import type { IndexFile } from '#repo/content/index/index-file.ts'
import { MergeCursor } from '#repo/content/index/merge.ts'

/** Something that two sets of indexes say differently of one content. */
export interface IndexDifference {
  readonly id: string
  /** Member of the index record, or 'presence'. */
  readonly field: string
  readonly before: string
  readonly after: string
}

const maxDifferences = 1000

/** Fields in the names that the format's own tools give them (spec 06, 13). */
const fields: readonly (readonly [string, (info: ContentInfo) => unknown])[] = [
  ['PackBlobID', (i) => i.packBlob],
  ['TimestampSeconds', (i) => i.timestampSeconds],
  ['OriginalLength', (i) => i.originalLength],
  ['PackedLength', (i) => i.packedLength],
  ['PackOffset', (i) => i.packOffset],
  ['FormatVersion', (i) => i.formatVersion],
  ['Deleted', (i) => i.deleted],
  ['CompressionHeaderID', (i) => i.compressionHeader],
  ['EncryptionKeyID', (i) => i.encryptionKeyId],
]

/** Compares the winning records of two sets of index files, row by row in key order; stops after a thousand differences. */
export function indexDifferences(before: readonly IndexFile[], after: readonly IndexFile[]): IndexDifference[] {
  const found: IndexDifference[] = []
  const old = rowsOf(before)
  const now = rowsOf(after)
  let a = old.next()
  let b = now.next()
  while ((!a.done || !b.done) && found.length < maxDifferences) {
    const order = a.done ? 1 : b.done ? -1 : a.value.id < b.value.id ? -1 : a.value.id > b.value.id ? 1 : 0
    if (order === 0 && !a.done && !b.done) compare(a.value, b.value, found)
    else if (order < 0 && !a.done) found.push({ id: a.value.id, field: 'presence', before: 'there', after: 'missing' })
    else if (!b.done) found.push({ id: b.value.id, field: 'presence', before: 'missing', after: 'there' })
    if (order <= 0) a = old.next()
    if (order >= 0) b = now.next()
  }
  return found
}

function compare(a: ContentInfo, b: ContentInfo, found: IndexDifference[]): void {
  for (const [field, of] of fields) if (of(a) !== of(b)) found.push({ id: a.id, field, before: String(of(a)), after: String(of(b)) })
}

function* rowsOf(files: readonly IndexFile[]): Generator<ContentInfo, undefined> {
  const cursor = new MergeCursor(files)
  while (cursor.next()) yield cursor.file.at(cursor.row)
  return undefined
}
