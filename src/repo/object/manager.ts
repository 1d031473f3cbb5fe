import type { ContentStore } from '#repo/content/store.ts'
import type { RepositoryFormat } from '#repo/format/repository-format.ts'
import { type PreparedChunk, prepareChunk } from './chunk-writer.ts'
import { composeObject } from './compose.ts'
import { concatenate } from './concatenate.ts'
import { ObjectTooLargeError, UnknownSplitterError } from './errors.ts'
import type { ObjectId, ObjectManager, ObjectWriterOptions } from './object.ts'
import { directObjectId } from './object-id.ts'
import { areObjectsPresentAt, contentsOf, isObjectPresent, readManyObjects } from './parts.ts'
import { openObject } from './reader.ts'
import { ByteBudget, SegmentBuffers } from './segment-buffers.ts'
import { type SplitterType, splitterByName, splitterNames } from './splitter/registry.ts'
import { SplittingWriter, type WriterContext } from './writer.ts'

/** A slab and a little: while it is hashed and sealed the next one is being filled, and the packs before it are being stored. */
const bytesInFlight = 24 << 20
const slabBytes = 16 << 20
const defaultMaxBytes = 0x7fffffff

/** What createObjectManager needs of a repository. */
export interface ObjectManagerOptions {
  readonly contents: ContentStore
  readonly format: Pick<RepositoryFormat, 'splitter' | 'indexVersion'>
}

interface WholeObject {
  readonly data: Uint8Array
  readonly options: ObjectWriterOptions
}

/** Objects on top of a content store (spec 03, section 1). Throws UnknownSplitterError when the format names one that is not there. */
export function createObjectManager({ contents, format }: ObjectManagerOptions): ObjectManager {
  const context = writerContext(contents, format)
  const createWriter = (options: ObjectWriterOptions) => new SplittingWriter(context, options)
  return {
    createWriter,
    writeMany: (objects) => writeMany(context, objects),
    open: (id, memory) => openObject(contents, id, [], memory),
    async readAll(id, maxBytes = defaultMaxBytes) {
      const object = await openObject(contents, id)
      if (object.sizeBytes > maxBytes) throw new ObjectTooLargeError(id, object.sizeBytes, maxBytes)
      return object.all()
    },
    readMany: (ids, maxBytes) => readManyObjects(contents, ids, maxBytes),
    contentsOf: (id) => contentsOf(contents, id),
    isPresent: (id) => isObjectPresent(contents, id),
    arePresentAt: (text, places) => areObjectsPresentAt(contents, text, places),
    compose: (request) => composeObject(context, request),
    concatenate: (ids, metadataCompressor) => concatenate(context, ids, metadataCompressor),
  }
}

function writerContext(contents: ContentStore, format: ObjectManagerOptions['format']): WriterContext {
  const name = format.splitter === '' ? 'FIXED' : format.splitter
  const usual = splitterByName(name)
  if (!usual)
    throw new UnknownSplitterError(
      `the repository uses the splitter "${name}", which is not known. Known are ${splitterNames.join(', ')}. Use a newer version.`,
    )
  return {
    contents,
    indexVersion: format.indexVersion,
    splitter: (wanted): SplitterType => (wanted === '' ? usual : (splitterByName(wanted) ?? usual)),
    buffers: new SegmentBuffers(usual.maxBytes),
    slabs: new SegmentBuffers(Math.max(slabBytes, 2 * usual.maxBytes)),
    budget: new ByteBudget(bytesInFlight),
  }
}

/** Objects of one chunk go to the content store as one batch; longer ones take the usual way. Results in the order given. */
async function writeMany(context: WriterContext, objects: readonly WholeObject[]): Promise<ObjectId[]> {
  const small = objects.map(({ data, options }) => data.length <= context.splitter(options.splitter).minBytes)
  const chunks = objects
    .filter((_, i) => small[i])
    .map(({ data, options }) => prepareChunk(context.indexVersion, options.prefix, options.compressor, data))
  const prepared = chunks.some((c) => c instanceof Promise) ? await Promise.all(chunks) : (chunks as PreparedChunk[])
  const ids = await context.contents.putMany(prepared.map((p) => p.content))
  const results: ObjectId[] = []
  let batched = 0
  for (const [i, object] of objects.entries()) {
    if (small[i]) {
      const compressed = prepared[batched]?.compressed === true
      results.push(directObjectId(ids[batched++] as (typeof ids)[number], compressed))
      continue
    }
    const writer = new SplittingWriter(context, object.options)
    await writer.write(object.data)
    results.push(await writer.finish())
  }
  return results
}
