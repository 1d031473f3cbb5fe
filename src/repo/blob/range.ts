import { BlobRangeError } from './errors.ts'
import type { BlobId, ByteRange } from './storage.ts'

/** Refuses a range that no blob can have: negative, or not whole numbers. Throws BlobRangeError. */
export function checkRange(id: BlobId, range: ByteRange): void {
  if (!Number.isSafeInteger(range.offset) || !Number.isSafeInteger(range.length) || range.offset < 0 || range.length < 0)
    throw new BlobRangeError(id, `there is no range of ${range.length} bytes at ${range.offset}`)
}

/** View of a range of a blob's bytes, or of all of them. Throws BlobRangeError when the range leaves the blob. */
export function cutRange(id: BlobId, data: Buffer, range: ByteRange | undefined): Buffer {
  if (!range) return data
  checkRange(id, range)
  if (range.offset + range.length > data.length)
    throw new BlobRangeError(id, `wanted ${range.length} bytes at ${range.offset}, it has ${data.length}`)
  return data.subarray(range.offset, range.offset + range.length)
}
