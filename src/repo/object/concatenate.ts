import { UsageError } from '#base/errors.ts'
import { ChunkList } from './indirect.ts'
import type { ObjectId } from './object.ts'
import { isIndirect } from './object-id.ts'
import { openObject, readChunkList } from './reader.ts'
import { type WriterContext, writeIndex } from './writer.ts'

/** Joins objects into one without copying their data: an index over the chunks of all of them. One ID comes back unchanged.
 *  Source: spec 03, 1.6. */
export async function concatenate(context: WriterContext, ids: readonly ObjectId[], metadataCompressor: string): Promise<ObjectId> {
  const [first] = ids
  if (first === undefined) throw new UsageError('there are no objects to concatenate')
  if (ids.length === 1) return first
  const lengths: number[] = []
  const chunkIds: ObjectId[] = []
  for (const id of ids) {
    if (isIndirect(id)) {
      const chunks = await readChunkList(context.contents, id, [])
      for (let i = 0; i < chunks.count; i++) {
        lengths.push(chunks.length(i))
        chunkIds.push(chunks.id(i))
      }
    } else {
      lengths.push((await openObject(context.contents, id)).sizeBytes)
      chunkIds.push(id)
    }
  }
  return writeIndex(context, new ChunkList(lengths, chunkIds), 'x', metadataCompressor)
}
