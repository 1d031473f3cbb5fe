import { UnsupportedCompressorError } from '#repo/compression/compressor.ts'
import { compressorByHeader } from '#repo/compression/registry.ts'
import type { Cipher } from '#repo/crypto/algorithms.ts'
import { type ContentId, identityOf, isMetadata } from './content-id.ts'
import type { ContentInfo } from './content-info.ts'
import { ContentWriteError, CorruptContentError } from './errors.ts'
import { contentMetrics } from './metrics.ts'
import type { PlainMemory } from './store.ts'

const compressionHeaderBytes = 4
/** Smaller contents are opened on the main thread: a trip through the thread pool costs more. */
const asyncOpenBytes = 32 * 1024
/** From here on it pays to read and decrypt in one job. */
export const fileOpenBytes = 128 * 1024

export interface Compressed {
  readonly bytes: Uint8Array
  /** Algorithm really used, 0 = stored as it is. */
  readonly header: number
}

/** Compresses as asked, if that makes the content smaller. Throws UnsupportedCompressorError, and ContentWriteError for data in
 *  repositories whose indexes cannot say how it was compressed. Source: spec 02, 2.2. */
export async function compressContent(id: ContentId, data: Uint8Array, wanted: number, indexVersion: 1 | 2): Promise<Compressed> {
  if (wanted === 0) return { bytes: data, header: 0 }
  if (indexVersion < 2) {
    if (isMetadata(id)) return { bytes: data, header: 0 }
    throw new ContentWriteError(
      'contents cannot be compressed in this repository: its index version is 1. Upgrade it, or compress nothing.',
    )
  }
  const startMs = performance.now()
  const stream = await compressorByHeader(wanted).compress(data)
  contentMetrics.compressionAttempted.add(data.length, startMs)
  if (stream.length + compressionHeaderBytes >= data.length) {
    contentMetrics.nonCompressibleBytes += data.length
    return { bytes: data, header: 0 }
  }
  contentMetrics.compressibleBytes += data.length
  contentMetrics.savedBytes += data.length - stream.length - compressionHeaderBytes
  const bytes = Buffer.allocUnsafe(stream.length + compressionHeaderBytes)
  bytes.writeUInt32BE(wanted)
  stream.copy(bytes, compressionHeaderBytes)
  return { bytes, header: wanted }
}

/** Plaintext of a content's sealed bytes. Throws CorruptContentError. Source: spec 02, 2.2 and 6.2. */
export function openContent(cipher: Cipher, info: ContentInfo, sealed: Uint8Array, memory?: PlainMemory): Promise<Buffer> {
  return expandContent(info, (identity) =>
    sealed.length < asyncOpenBytes ? cipher.open(sealed, identity) : cipher.openAsync(sealed, identity, ofPlain(info, memory)),
  )
}

/** openContent for one that lies in the file `fd`. Only for a cipher with openFile. Rejects as that does, or with CorruptContentError. */
export function openContentFile(
  open: NonNullable<Cipher['openFile']>,
  info: ContentInfo,
  fd: number,
  memory?: PlainMemory,
): Promise<Buffer> {
  return expandContent(info, (identity) => open(fd, info.packOffset, info.packedLength, identity, ofPlain(info, memory)))
}

/** openContent for one that is decrypted already. */
export const expandOpened = (info: ContentInfo, opened: Buffer): Promise<Buffer> => expandContent(info, () => opened)

/** What is decrypted of a compressed content is not yet the plain bytes. */
const ofPlain = (info: ContentInfo, memory: PlainMemory | undefined): PlainMemory | undefined =>
  info.compressionHeader === 0 ? memory : undefined

async function expandContent(info: ContentInfo, open: (identity: Uint8Array) => Buffer | Promise<Buffer>): Promise<Buffer> {
  if (info.encryptionKeyId !== 0) throw corrupt(info, `it names the encryption key ${info.encryptionKeyId}, which nobody has`)
  try {
    const startMs = performance.now()
    const opened = await open(identityOf(info.id))
    contentMetrics.decrypted.add(opened.length, startMs)
    if (info.compressionHeader === 0) return opened
    if (opened.length < compressionHeaderBytes || opened.readUInt32BE(0) !== info.compressionHeader)
      throw corrupt(info, 'it does not begin with the compression ID of its index record')
    const expandMs = performance.now()
    const plain = await compressorByHeader(info.compressionHeader).expand(opened.subarray(compressionHeaderBytes), info.originalLength)
    contentMetrics.decompressed.add(plain.length, expandMs)
    return plain
  } catch (error) {
    if (error instanceof CorruptContentError || error instanceof UnsupportedCompressorError) throw error
    throw corrupt(info, error instanceof Error ? error.message : String(error), error)
  }
}

const corrupt = (info: ContentInfo, detail: string, cause?: unknown): CorruptContentError =>
  new CorruptContentError(info.id, info.packBlob, detail, cause === undefined ? undefined : { cause })
