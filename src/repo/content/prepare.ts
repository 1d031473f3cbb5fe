import { mapLimited } from '#base/limit.ts'
import type { Cipher, Hasher } from '#repo/crypto/algorithms.ts'
import type { RepositoryFormat } from '#repo/format/repository-format.ts'
import { compressContent } from './content-codec.ts'
import { type ContentId, identityOf } from './content-id.ts'
import { ContentWriteError } from './errors.ts'
import type { ContentCounters, ContentToWrite } from './store.ts'

const compressParallelism = 8
/** Index files keep lengths in 28 bits (spec 02, 2.1). */
const maxContentBytes = 2 ** 28

/** A new content, ready to be appended to a pack. */
export interface PreparedContent {
  readonly id: ContentId
  readonly sealed: Uint8Array
  readonly originalLength: number
  /** Algorithm really used. */
  readonly compressionHeader: number
}

export interface PrepareParts {
  readonly hasher: Hasher
  readonly cipher: Cipher
  readonly format: RepositoryFormat
  readonly counters: ContentCounters
  readonly isPresent: (id: ContentId) => Promise<boolean>
  /** IDs where they are known already: nothing is hashed. */
  readonly knownIds?: readonly ContentId[]
}

/** IDs of all contents, and those that the repository lacks compressed and sealed. Equal contents are prepared once.
 *  Throws ContentWriteError, UnsupportedCompressorError. Source: spec 02, 2.1 steps 3, 4 and 6. */
export async function prepareContents(
  contents: readonly ContentToWrite[],
  parts: PrepareParts,
): Promise<{ readonly ids: ContentId[]; readonly prepared: PreparedContent[] }> {
  const { cipher, format } = parts
  const ids = parts.knownIds ? [...parts.knownIds] : await contentIds(contents, parts)
  const missing = new Map<ContentId, ContentToWrite>()
  for (const [i, id] of ids.entries()) {
    if (missing.has(id) || (await parts.isPresent(id))) continue
    missing.set(id, contents[i] as ContentToWrite)
  }
  if (missing.size === 0) return { ids, prepared: [] }
  const rows = [...missing]
  const compressed = await mapLimited(rows, compressParallelism, ([id, { data, compressionHeader }]) =>
    compressContent(id, data, compressionHeader, format.indexVersion),
  )
  const sealed = await cipher.sealMany(
    compressed.map(({ bytes }) => bytes),
    rows.map(([id]) => identityOf(id)),
  )
  if (sealed.some((bytes, i) => Math.max(bytes.length, rows[i]?.[1].data.length ?? 0) >= maxContentBytes))
    throw new ContentWriteError(
      `a content of ${maxContentBytes} bytes or more cannot be stored. Use a splitter that makes smaller segments.`,
    )
  const prepared = rows.map(([id, { data }], i) => ({
    id,
    sealed: sealed[i] as Buffer,
    originalLength: data.length,
    compressionHeader: compressed[i]?.header ?? 0,
  }))
  return { ids, prepared }
}

async function contentIds(contents: readonly ContentToWrite[], { hasher, counters }: PrepareParts): Promise<ContentId[]> {
  for (const { prefix } of contents)
    if (!/^[g-z]?$/.test(prefix)) throw new ContentWriteError(`"${prefix}" is not a content prefix. Use one letter from g to z, or none.`)
  const digests = (await hasher.digestMany(contents.map(({ data }) => data))).toString('hex')
  const width = hasher.sizeBytes * 2
  counters.hashedContents += contents.length
  counters.hashedBytes += contents.reduce((sum, { data }) => sum + data.length, 0)
  return contents.map(({ prefix }, i) => (prefix + digests.slice(i * width, (i + 1) * width)) as ContentId)
}
