import type { BlobId, BlobReader } from '#repo/blob/storage.ts'
import type { Cipher } from '#repo/crypto/algorithms.ts'
import type { ContentInfo } from './content-info.ts'
import { CorruptPackError } from './errors.ts'
import { parseIndex } from './index/parse.ts'
import { parsePostamble } from './pack-layout.ts'

const tailBytes = 8192
/** Larger than any pack may be: what the postamble says is not proven. */
const maxRecoveryBytes = 256 << 20

/** Records of a pack's own recovery index, with their original timestamps. `sizeBytes` = length of the blob, 0 = not known.
 *  CorruptPackError when the pack has none that can be opened, BlobNotFoundError. Source: spec 02, 7.4. */
export async function recoverIndex(storage: BlobReader, cipher: Cipher, pack: BlobId, sizeBytes = 0): Promise<ContentInfo[]> {
  const size = sizeBytes || (await storage.stat(pack)).sizeBytes
  const start = Math.max(0, size - tailBytes)
  const tail = await storage.get(pack, { offset: start, length: size - start })
  const postamble = parsePostamble(tail)
  if (!postamble) throw new CorruptPackError(pack, 'it does not end with a recovery index')
  const { offset, length } = postamble
  if (offset + length > size || length > maxRecoveryBytes)
    throw new CorruptPackError(pack, `its recovery index should lie at ${offset}, ${length} bytes long, beyond the end of the pack`)
  if (offset >= start) return openRecoveryIndex(cipher, pack, tail.subarray(offset - start, offset - start + length), postamble.iv)
  return openRecoveryIndex(cipher, pack, await storage.get(pack, { offset, length }), postamble.iv)
}

function openRecoveryIndex(cipher: Cipher, pack: BlobId, sealed: Buffer, iv: Buffer): ContentInfo[] {
  try {
    const file = parseIndex(cipher.open(sealed, iv), cipher.overheadBytes, pack)
    return Array.from({ length: file.count }, (_, row) => file.at(row))
  } catch (error) {
    throw new CorruptPackError(pack, error instanceof Error ? error.message : String(error), { cause: error })
  }
}
