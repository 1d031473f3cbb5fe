import { type CompressorType, compressorByName } from '#repo/compression/registry.ts'
import type { ContentStore, ContentToWrite } from '#repo/content/store.ts'
import type { ObjectId } from './object.ts'
import { directObjectId } from './object-id.ts'

/** A chunk as it goes to the content store. */
export interface PreparedChunk {
  readonly content: ContentToWrite
  /** The content is a compression container: its object is `Z…`. */
  readonly compressed: boolean
}

/** Applies the table of spec 03, 1.2: with index version 1 data is compressed here, with version 2 by the content store. No promise is
 *  made where nothing has to be waited for. */
export function prepareChunk(
  indexVersion: 1 | 2,
  prefix: string,
  compressor: string,
  data: Uint8Array,
): PreparedChunk | Promise<PreparedChunk> {
  const type = compressor === '' ? undefined : compressorByName(compressor)
  if (type && indexVersion === 1 && prefix === '') return prepareContainer(type, prefix, data)
  const compressionHeader = type && indexVersion !== 1 ? type.header : 0
  return { content: { prefix, data, compressionHeader }, compressed: false }
}

async function prepareContainer(type: CompressorType, prefix: string, data: Uint8Array): Promise<PreparedChunk> {
  const container = await compressed(type, data)
  if (container.length < data.length) return { content: { prefix, data: container, compressionHeader: 0 }, compressed: true }
  return { content: { prefix, data, compressionHeader: 0 }, compressed: false }
}

async function compressed(type: CompressorType, data: Uint8Array): Promise<Buffer> {
  const header = Buffer.alloc(4)
  header.writeUInt32BE(type.header)
  return Buffer.concat([header, await type.compress(data)])
}

/** Stores one chunk and gives its object ID. */
export async function putChunk(
  contents: ContentStore,
  indexVersion: 1 | 2,
  prefix: string,
  compressor: string,
  data: Uint8Array,
): Promise<ObjectId> {
  const chunk = await prepareChunk(indexVersion, prefix, compressor, data)
  return directObjectId(await contents.put(chunk.content), chunk.compressed)
}
