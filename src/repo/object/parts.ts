import type { ContentId } from '#repo/content/content-id.ts'
import { contentKeysAt } from '#repo/content/content-keys.ts'
import type { ContentReader } from '#repo/content/store.ts'
import { ObjectNotFoundError } from './errors.ts'
import type { ObjectId } from './object.ts'
import { indexObjectId, isIndirect, objectIdParts } from './object-id.ts'
import { checkNesting, readChunkList } from './reader.ts'

/** Contents that an object is made of, each once, those of its index streams first (spec 03, 1.5). Deleted ones count as known.
 *  ObjectNotFoundError when the indexes do not know one. */
export async function contentsOf(contents: ContentReader, id: ObjectId): Promise<ContentId[]> {
  const found = new Set<ContentId>()
  await collect(contents, id, [], found, new Set())
  return [...found]
}

async function collect(
  contents: ContentReader,
  id: ObjectId,
  inside: readonly ObjectId[],
  found: Set<ContentId>,
  visited: Set<ObjectId>,
): Promise<void> {
  if (!isIndirect(id)) {
    const { content } = objectIdParts(id)
    if (content === '' || !(found.has(content) || contents.info(content))) throw new ObjectNotFoundError(id)
    found.add(content)
    return
  }
  if (visited.has(id)) return
  checkNesting(id, inside)
  const deeper = [...inside, id]
  await collect(contents, indexObjectId(id), deeper, found, visited)
  const chunks = await readChunkList(contents, id, inside)
  for (let i = 0; i < chunks.count; i++) {
    const chunk = chunks.id(i)
    if (isIndirect(chunk) || !found.has(chunk as string as ContentId)) await collect(contents, chunk, deeper, found, visited)
  }
  visited.add(id)
}

/** Whether every content of the object can be counted on. Damaged index streams are errors, missing ones make it absent. */
export async function isObjectPresent(contents: ContentReader, id: ObjectId): Promise<boolean> {
  if (!isIndirect(id)) {
    const { content } = objectIdParts(id)
    return content !== '' && contents.isPresent(content)
  }
  try {
    for (const content of await contentsOf(contents, id)) if (!(await contents.isPresent(content))) return false
    return true
  } catch (error) {
    if (error instanceof ObjectNotFoundError) return false
    throw error
  }
}

const plainContent = /^[0-9a-f]+$/

/** isObjectPresent for many; those of one content are asked for together where the store can. */
async function areObjectsPresent(contents: ContentReader, ids: readonly ObjectId[]): Promise<boolean[]> {
  const { arePresent } = contents
  if (!arePresent || !ids.every((id) => plainContent.test(id) && id.length % 2 === 0)) {
    const all: boolean[] = []
    for (const id of ids) all.push(await isObjectPresent(contents, id))
    return all
  }
  return arePresent.call(contents, ids as readonly string[] as readonly ContentId[])
}

/** isObjectPresent for many, whose IDs stand in `text`, start and end of each in `places`: 1 for those that are. */
export async function areObjectsPresentAt(contents: ContentReader, text: Buffer, places: Uint32Array): Promise<Uint8Array> {
  const count = places.length >> 1
  const keys = contents.arePresentByKey && contentKeysAt(text, places)
  const known = keys && (await contents.arePresentByKey?.(keys, keys.length / count))
  if (known) return known
  const ids = Array.from({ length: count }, (_, i) => text.toString('latin1', places[2 * i], places[2 * i + 1]) as ObjectId)
  return Uint8Array.from(await areObjectsPresent(contents, ids), Number)
}

/** Plain bytes of objects that are one content each, read together where the store can. */
export async function readManyObjects(
  contents: ContentReader,
  ids: readonly ObjectId[],
  maxBytes: number,
): Promise<(Buffer | undefined)[]> {
  const wanted = ids.map((id, i) => (plainContent.test(id) && id.length % 2 === 0 ? i : -1)).filter((i) => i >= 0)
  const plains = new Array<Buffer | undefined>(ids.length).fill(undefined)
  if (!contents.getMany) return plains
  const found = await contents.getMany(
    wanted.map((i) => ids[i] as string as ContentId),
    maxBytes,
  )
  for (const [k, i] of wanted.entries()) plains[i] = found[k]
  return plains
}
