import type { BlobId, BlobReader } from '#repo/blob/storage.ts'
import type { Cipher } from '#repo/crypto/algorithms.ts'
import { CorruptPackError } from './errors.ts'
import { parseIndex } from './index/parse.ts'
import { type Postamble, parsePostamble } from './pack-layout.ts'
import type { ContentInfo } from './store.ts'

const tailBytes = 8192

/** Records of a pack's own recovery index, with their original timestamps. `sizeBytes` = length of the blob, 0 = not known.
 *  CorruptPackError when the pack has none that can be opened, BlobNotFoundError. Source: spec 02, 7.4. */
export async function recoverIndex(storage: BlobReader, cipher: Cipher, pack: BlobId, sizeBytes = 0): Promise<ContentInfo[]> {
  const size = sizeBytes || (await storage.stat(pack)).sizeBytes
  if (size >= tailBytes) {
    const start = size - tailBytes
    const rows = await fromTail(storage, cipher, pack, start).catch(() => undefined)
    if (rows) return rows
  }
  const whole = await storage.get(pack)
  const postamble = parsePostamble(whole)
  if (!postamble) throw new CorruptPackError(pack, 'it does not end with a recovery index')
  return openRecoveryIndex(cipher, pack, whole, 0, postamble)
}

/** Undefined when the recovery index starts before the tail. */
async function fromTail(storage: BlobReader, cipher: Cipher, pack: BlobId, start: number): Promise<ContentInfo[] | undefined> {
  const tail = await storage.get(pack, { offset: start, length: tailBytes })
  const postamble = parsePostamble(tail)
  return postamble && postamble.offset >= start ? openRecoveryIndex(cipher, pack, tail, start, postamble) : undefined
}

/** `bytes` = the pack from offset `start` to its end. */
function openRecoveryIndex(cipher: Cipher, pack: BlobId, bytes: Buffer, start: number, { iv, offset, length }: Postamble): ContentInfo[] {
  if (offset < start || offset - start + length > bytes.length)
    throw new CorruptPackError(pack, `its recovery index should lie at ${offset}, ${length} bytes long, beyond the end of the pack`)
  try {
    const file = parseIndex(cipher.open(bytes.subarray(offset - start, offset - start + length), iv), cipher.overheadBytes, pack)
    return Array.from({ length: file.count }, (_, row) => file.at(row))
  } catch (error) {
    throw new CorruptPackError(pack, error instanceof Error ? error.message : String(error), { cause: error })
  }
}
