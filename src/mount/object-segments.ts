import type { PlainMemory } from '#repo/content/store.ts'
import { CorruptObjectError } from '#repo/object/errors.ts'
import type { ObjectId, ObjectManager, ObjectReader } from '#repo/object/object.ts'

/** Readers that do not tell where their parts end are read in pieces of this size. */
const pieceBytes = 4 << 20

/** An open object as a row of parts that are decrypted whole. */
export interface ObjectSegments {
  readonly sizeBytes: number
  /** Bounds of the part with the byte at `offset` (which must be below sizeBytes). */
  segmentAt(offset: number): { readonly start: number; readonly end: number }
  /** The part, perhaps in what `memory` returned. */
  load(start: number, end: number, memory?: PlainMemory): Promise<Uint8Array>
}

/** Opens an object for reading by parts; one of a single part may lie in what `memory` returned. Throws what ObjectManager.open throws. */
export async function openSegments(objects: ObjectManager, id: ObjectId, memory?: PlainMemory): Promise<ObjectSegments> {
  const reader = await objects.open(id, memory)
  const { segmentAt, loadSegment } = reader
  if (segmentAt !== undefined && loadSegment !== undefined)
    return {
      sizeBytes: reader.sizeBytes,
      segmentAt: (offset) => segmentAt.call(reader, offset),
      load: (start, _end, into) => loadSegment.call(reader, start, into),
    }
  return {
    sizeBytes: reader.sizeBytes,
    segmentAt: (offset) => {
      const start = offset - (offset % pieceBytes)
      return { start, end: Math.min(start + pieceBytes, reader.sizeBytes) }
    },
    load: (start, end) => readPiece(reader, id, start, end),
  }
}

async function readPiece(reader: ObjectReader, id: ObjectId, start: number, end: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(end - start)
  for (let done = 0; done < bytes.length; ) {
    const got = await reader.read(bytes.subarray(done), start + done)
    if (got === 0) throw new CorruptObjectError(id, 'it is shorter than it says')
    done += got
  }
  return bytes
}
