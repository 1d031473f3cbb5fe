import { mapLimited } from '#base/limit.ts'
import { type Cipher, type Hasher, nonceBytes } from '#repo/crypto/algorithms.ts'
import type { RepositoryFormat } from '#repo/format/repository-format.ts'
import { compressContent } from './content-codec.ts'
import { type ContentId, identityOf, isMetadata } from './content-id.ts'
import { ContentWriteError } from './errors.ts'
import { contentMetrics } from './metrics.ts'
import type { ContentCounters, ContentToWrite } from './store.ts'

const compressParallelism = 8
/** Index files keep lengths in 28 bits (spec 02, 2.1). */
const maxContentBytes = 2 ** 28

/** A new content, ready to be appended to a pack. */
export interface PreparedContent {
  readonly id: ContentId
  /** Parts of the sealed bytes. */
  readonly sealed: readonly Uint8Array[]
  /** They lie in the memory of the plaintext. */
  readonly isInPlace: boolean
  readonly originalLength: number
  /** Algorithm really used. */
  readonly compressionHeader: number
}

export interface PrepareParts {
  readonly hasher: Hasher
  readonly cipher: Cipher
  readonly format: RepositoryFormat
  readonly counters: ContentCounters
  readonly arePresent: (ids: readonly ContentId[]) => Promise<boolean[]>
  /** IDs where they are known already: nothing is hashed. */
  readonly knownIds?: readonly ContentId[]
  /** Contents may be sealed where they lie. */
  readonly mayOverwrite?: boolean
}

/** IDs of all contents, and those that the repository lacks compressed and sealed. Equal contents are prepared once.
 *  Throws ContentWriteError, UnsupportedCompressorError. Source: spec 02, 2.1 steps 3, 4 and 6. */
export async function prepareContents(
  contents: readonly ContentToWrite[],
  parts: PrepareParts,
): Promise<{ readonly ids: ContentId[]; readonly prepared: PreparedContent[] }> {
  const { format } = parts
  const ids = parts.knownIds ? [...parts.knownIds] : await contentIds(contents, parts)
  const present = await parts.arePresent(ids)
  const missing = new Map<ContentId, ContentToWrite>()
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i] as ContentId
    if (!present[i] && !missing.has(id)) missing.set(id, contents[i] as ContentToWrite)
    else {
      contentMetrics.deduplicated++
      contentMetrics.deduplicatedBytes += contents[i]?.data.length ?? 0
    }
  }
  if (missing.size === 0) return { ids, prepared: [] }
  const rows = [...missing]
  const compressed = rows.every(([, { compressionHeader }]) => compressionHeader === 0)
    ? rows.map(([, { data }]) => ({ bytes: data, header: 0 }))
    : await mapLimited(rows, compressParallelism, ([id, { data, compressionHeader }]) =>
        compressContent(id, data, compressionHeader, format.indexVersion),
      )
  const plainBytes = compressed.reduce((sum, { bytes }) => sum + bytes.length, 0)
  contentMetrics.afterCompressionBytes += plainBytes
  const sealMs = performance.now()
  const sealed = await sealAll(
    parts,
    rows.map(([id]) => id),
    compressed.map(({ bytes }) => bytes),
  )
  contentMetrics.encrypted.add(plainBytes, sealMs)
  if (sealed.some((pieces, i) => Math.max(lengthOf(pieces), rows[i]?.[1].data.length ?? 0) >= maxContentBytes))
    throw new ContentWriteError(
      `a content of ${maxContentBytes} bytes or more cannot be stored. Use a splitter that makes smaller segments.`,
    )
  const prepared = rows.map(([id, { data }], i) => ({
    id,
    sealed: sealed[i] as readonly Uint8Array[],
    isInPlace: sealed[i]?.includes(data) === true,
    originalLength: data.length,
    compressionHeader: compressed[i]?.header ?? 0,
  }))
  return { ids, prepared }
}

const lengthOf = (pieces: readonly Uint8Array[]): number => pieces.reduce((sum, { length }) => sum + length, 0)

/** Sealed bytes of each content, in parts. */
async function sealAll(
  { cipher, mayOverwrite }: PrepareParts,
  ids: readonly ContentId[],
  plains: readonly Uint8Array[],
): Promise<(readonly Uint8Array[])[]> {
  if (mayOverwrite && cipher.sealInPlace) {
    const edges = await cipher.sealInPlace(plains, ids.map(identityOf))
    return plains.map((plain, i) => {
      const edge = edges.subarray(i * cipher.overheadBytes, (i + 1) * cipher.overheadBytes)
      return [edge.subarray(0, nonceBytes), plain, edge.subarray(nonceBytes)]
    })
  }
  return (await sealApart(cipher, ids, plains)).map((sealed) => [sealed])
}

/** Seals metadata and data each on its own: what is sealed together lies in one piece of memory, which the pack that is finished last
 *  would keep. */
async function sealApart(cipher: Cipher, ids: readonly ContentId[], plains: readonly Uint8Array[]): Promise<Buffer[]> {
  const sealed = new Array<Buffer>(ids.length)
  for (const wanted of [false, true]) {
    const chosen: number[] = []
    for (let i = 0; i < ids.length; i++) if (isMetadata(ids[i] as ContentId) === wanted) chosen.push(i)
    if (chosen.length === 0) continue
    const some = await cipher.sealMany(
      chosen.map((i) => plains[i] as Uint8Array),
      chosen.map((i) => identityOf(ids[i] as ContentId)),
    )
    for (let k = 0; k < chosen.length; k++) sealed[chosen[k] as number] = some[k] as Buffer
  }
  return sealed
}

async function contentIds(contents: readonly ContentToWrite[], { hasher, counters }: PrepareParts): Promise<ContentId[]> {
  for (const { prefix } of contents)
    if (prefix !== '' && !/^[g-z]$/.test(prefix))
      throw new ContentWriteError(`"${prefix}" is not a content prefix. Use one letter from g to z, or none.`)
  const startMs = performance.now()
  const digests = (await hasher.digestMany(contents.map(({ data }) => data))).toString('hex')
  const width = hasher.sizeBytes * 2
  const bytes = contents.reduce((sum, { data }) => sum + data.length, 0)
  counters.hashedContents += contents.length
  counters.hashedBytes += bytes
  contentMetrics.hashed.add(bytes, startMs)
  return contents.map(({ prefix }, i) => (prefix + digests.slice(i * width, (i + 1) * width)) as ContentId)
}
