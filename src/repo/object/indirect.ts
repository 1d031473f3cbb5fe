import { messageOf } from '#base/errors.ts'
import { jsonText, parseFirstJson } from '#base/json-read.ts'
import { CorruptObjectError } from './errors.ts'
import type { ObjectId } from './object.ts'
import { parseObjectId } from './object-id.ts'

/** Chunks of an indirect object, held without an object per entry: a large file has hundreds of thousands (spec 03, 1.4). */
export class ChunkList {
  /** Chunk i covers [starts[i], starts[i + 1]) of the object; one more element than chunks. */
  readonly #starts: Float64Array
  /** IDs one after another as ASCII; ID i lies at [idEnds[i - 1], idEnds[i]). */
  readonly #ids: Buffer
  readonly #idEnds: Uint32Array

  constructor(lengths: readonly number[], ids: readonly string[]) {
    this.#starts = new Float64Array(lengths.length + 1)
    this.#idEnds = new Uint32Array(ids.length)
    this.#ids = Buffer.from(ids.join(''), 'latin1')
    let end = 0
    for (let i = 0; i < lengths.length; i++) {
      this.#starts[i + 1] = (this.#starts[i] as number) + (lengths[i] as number)
      this.#idEnds[i] = end += (ids[i] as string).length
    }
  }

  get count(): number {
    return this.#idEnds.length
  }

  get sizeBytes(): number {
    return this.#starts[this.count] as number
  }

  start(i: number): number {
    return this.#starts[i] as number
  }

  length(i: number): number {
    return (this.#starts[i + 1] as number) - (this.#starts[i] as number)
  }

  id(i: number): ObjectId {
    return this.#ids.toString('latin1', i === 0 ? 0 : (this.#idEnds[i - 1] as number), this.#idEnds[i]) as ObjectId
  }

  /** The chunk holding the byte at `offset` (0 ≤ offset < sizeBytes); chunks without bytes never do. */
  find(offset: number): number {
    let low = 0
    let high = this.count - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((this.#starts[middle] as number) <= offset) low = middle
      else high = middle - 1
    }
    // Of several chunks with the same start the last one found above is the one that has bytes.
    return low
  }

  /** The index stream: the JSON text that makes up an `I…` object. Source: spec 03, 1.4. */
  encode(): Buffer {
    const parts: string[] = []
    for (let i = 0; i < this.count; i++) {
      const start = this.start(i)
      const length = this.length(i)
      parts.push(`{${start === 0 ? '' : `"s":${start},`}${length === 0 ? '' : `"l":${length},`}"o":"${this.id(i)}"}`)
    }
    return Buffer.from(`{"stream":"kopia:indirect","entries":[${parts.join(',')}]}\n`, 'latin1')
  }
}

/** Reads an index stream. Throws CorruptObjectError when it is not one, is empty, or its entries leave gaps. `object` is for messages. */
export function decodeChunkList(object: ObjectId, stream: Buffer): ChunkList {
  let value: unknown
  try {
    value = parseFirstJson(jsonText(stream, 'the index'))
  } catch (error) {
    throw new CorruptObjectError(object, `its index is not JSON (${messageOf(error)})`, { cause: error })
  }
  const entries = field(value, 'entries')
  if (!Array.isArray(entries) || entries.length === 0) throw new CorruptObjectError(object, 'its index has no entries')
  const lengths: number[] = []
  const ids: string[] = []
  let total = 0
  for (const entry of entries as unknown[]) {
    const start = field(entry, 's') ?? 0
    const length = field(entry, 'l') ?? 0
    const id = field(entry, 'o') ?? ''
    if (start !== total) throw new CorruptObjectError(object, `entry ${ids.length} of its index does not start at byte ${total}`)
    if (typeof length !== 'number' || !Number.isSafeInteger(length) || length < 0 || !Number.isSafeInteger(total + length))
      throw new CorruptObjectError(object, `entry ${ids.length} of its index has no valid length`)
    if (typeof id !== 'string') throw new CorruptObjectError(object, `entry ${ids.length} of its index names no object`)
    total += length
    lengths.push(length)
    ids.push(parseObjectId(id))
  }
  return new ChunkList(lengths, ids)
}

/** A member by its name, or by a name that differs in case only (spec 03, section 0). */
function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  const record = value as Record<string, unknown>
  if (record[name] !== undefined) return record[name]
  if (record[name.toUpperCase()] !== undefined) return record[name.toUpperCase()]
  for (const key of Object.keys(record)) if (key.toLowerCase() === name) return record[key]
  return undefined
}
